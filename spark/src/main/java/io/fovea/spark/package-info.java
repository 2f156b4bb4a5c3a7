/**
 * Fovea on Apache Spark. {@link io.fovea.spark.Score} predicts the classes of millions of images
 * with {@code spark-submit}, and {@link io.fovea.spark.Scorer} does it in a program; start there.
 * {@code ShippedModel} packs a network in the driver, {@code ExecutorModel} holds it in an executor,
 * and {@code ScoreRows} is what a task does: the {@link io.fovea.training.Predictor} of {@code fovea
 * predict} on the rows of a partition.
 *
 * <p>{@code SparkEngine} is what {@code fovea compare --on} finds on the class path. {@code
 * SparkTrainings} makes each training of a study or a search a task; {@code TrainTask} and {@code
 * LapTask} are what such a task does.
 *
 * <p>This is no Java module, unlike Fovea's others, because Spark cannot be used from one: several of
 * its jars have classes in the same packages ({@code org.apache.spark} is in spark-core and in
 * spark-common-utils), which Java allows on the class path only.
 */
package io.fovea.spark;
