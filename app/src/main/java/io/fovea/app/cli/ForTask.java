package io.fovea.app.cli;

import io.fovea.training.Task;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** Says that an option belongs to some tasks only; with others {@link TaskOptions} refuses it. */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.FIELD)
@interface ForTask {
  /** The tasks that know the option. */
  Task[] value();
}
