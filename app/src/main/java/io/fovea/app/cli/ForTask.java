package io.fovea.app.cli;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Says that an option, or all options of a class, belong to some tasks only; with others {@link
 * TaskOptions#requireOptionsOf} refuses them.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target({ElementType.FIELD, ElementType.TYPE})
@interface ForTask {
  /** The names of the tasks that know the option. */
  String[] value();
}
