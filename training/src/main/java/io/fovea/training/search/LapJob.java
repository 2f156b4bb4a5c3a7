package io.fovea.training.search;

/**
 * A training up to a rung of the race, or a whole one of the final, to be done in this process or on
 * another machine.
 *
 * @param module the attention
 * @param seed the seed of weights, order and augmentation
 * @param ofFinal whether it is one of the final, on all training samples; otherwise it is one of the
 *     race
 * @param until the epochs after which it ends
 * @param secondsLeft after so many seconds it stops, wherever it is; infinite for a budget in epochs
 * @param raceSecondsLeft after so many seconds a training of the race stops at the end of an epoch
 * @param looks whether the observer looks at the trained network
 * @param settings the fingerprint of the settings of the search
 */
public record LapJob(
    String module,
    long seed,
    boolean ofFinal,
    int until,
    double secondsLeft,
    double raceSecondsLeft,
    boolean looks,
    String settings) {}
