package io.fovea.benchmarks;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** Dependencies between modules and between packages point one way only. This module sees all others. */
@AnalyzeClasses(packages = "io.fovea", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
  private static final String[] ATTENTION = {
    "io.fovea.errors..", "io.fovea.tensor..", "io.fovea.nn..", "io.fovea.attention.."
  };

  /** The interface of the vector kernels and its records; what others may know is KernelsInUse. */
  private static final String SEAM = "io.fovea.attention.fast.Kernels(\\$.*)?";

  @ArchTest
  static final ArchRule modulesDependOnThoseAboveThem =
      layeredArchitecture()
          .consideringOnlyDependenciesInLayers()
          .withOptionalLayers(true) // the kernels are there on newer Javas only
          .layer("tensor")
          .definedBy("io.fovea.tensor..", "io.fovea.errors..")
          .layer("nn")
          .definedBy("io.fovea.nn..")
          .layer("fast")
          .definedBy("io.fovea.attention.fast..")
          .layer("attention")
          .definedBy("io.fovea.attention")
          .layer("kernels")
          .definedBy("io.fovea.kernels..")
          .layer("models")
          .definedBy("io.fovea.models..")
          .layer("data")
          .definedBy("io.fovea.data..")
          .layer("training")
          .definedBy("io.fovea.training..")
          .layer("explain")
          .definedBy("io.fovea.explain..")
          .layer("front door")
          .definedBy("io.fovea")
          .layer("reference")
          .definedBy("io.fovea.reference..")
          .layer("app")
          .definedBy("io.fovea.app..")
          .layer("spark")
          .definedBy("io.fovea.spark..")
          .layer("benchmarks")
          .definedBy("io.fovea.benchmarks..")
          .layer("testing")
          .definedBy("io.fovea.testing..")
          .whereLayer("testing")
          .mayNotAccessAnyLayer()
          .whereLayer("testing")
          .mayNotBeAccessedByAnyLayer() // but by tests
          .whereLayer("tensor")
          .mayNotAccessAnyLayer()
          .whereLayer("nn")
          .mayOnlyAccessLayers("tensor")
          .whereLayer("fast")
          .mayOnlyAccessLayers("nn", "tensor")
          .whereLayer("attention")
          .mayOnlyAccessLayers("fast", "nn", "tensor")
          .whereLayer("kernels")
          .mayOnlyAccessLayers("fast", "tensor")
          .whereLayer("models")
          .mayOnlyAccessLayers("attention", "nn", "tensor")
          .whereLayer("data")
          .mayOnlyAccessLayers("tensor")
          .whereLayer("training")
          .mayOnlyAccessLayers("data", "models", "attention", "nn", "tensor")
          .whereLayer("explain")
          .mayOnlyAccessLayers("training", "data", "models", "attention", "nn", "tensor")
          .whereLayer("front door")
          .mayOnlyAccessLayers("explain", "training", "data", "models", "attention", "nn", "tensor")
          .whereLayer("reference")
          .mayOnlyAccessLayers("models", "attention", "nn", "tensor")
          .whereLayer("kernels")
          .mayNotBeAccessedByAnyLayer()
          .whereLayer("app")
          .mayOnlyBeAccessedByLayers("spark", "benchmarks")
          .whereLayer("spark")
          .mayNotBeAccessedByAnyLayer()
          .whereLayer("benchmarks")
          .mayNotBeAccessedByAnyLayer();

  /** Whatever the layers are called: no package needs one that needs it. */
  @ArchTest
  static final ArchRule packagesAreFreeOfCycles =
      slices().matching("io.fovea.(**)").should().beFreeOfCycles();

  @ArchTest
  static final ArchRule attentionNeedsLibtorchAndNothingElse =
      classes()
          .that()
          .resideInAnyPackage(ATTENTION)
          .should()
          .onlyDependOnClassesThat()
          .resideInAnyPackage(
              "io.fovea.errors..",
              "io.fovea.tensor..",
              "io.fovea.nn..",
              "io.fovea.attention..",
              "java..",
              "org.bytedeco..");

  @ArchTest
  static final ArchRule nobodyElseSeesTheSeamOfTheKernels =
      noClasses()
          .that()
          .resideOutsideOfPackages("io.fovea.kernels..", "io.fovea.attention..")
          .should()
          .dependOnClassesThat()
          .haveNameMatching(SEAM);

  @ArchTest
  static final ArchRule onlyProgramsKnowTheCommandLine =
      noClasses()
          .that()
          .resideOutsideOfPackages("io.fovea.app..", "io.fovea.spark..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("picocli..", "me.tongfei..");

  @ArchTest
  static final ArchRule onlyTheModuleForSparkKnowsSpark =
      noClasses()
          .that()
          .resideOutsideOfPackage("io.fovea.spark..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("org.apache.spark..", "org.apache.hadoop..", "scala..");
}
