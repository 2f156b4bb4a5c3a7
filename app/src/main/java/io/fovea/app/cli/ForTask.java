package io.fovea.app.cli;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Marks an option, or all options of a class, that belong to some tasks only. {@link
 * TaskOptions#requireOptionsOf} refuses them for other tasks.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target({ElementType.FIELD, ElementType.TYPE})
@interface ForTask {
  /** The names of the tasks that have the option. */
  String[] value();
}
