/**
 * Output of the commands: tables, progress, Ctrl-C, messages of the JVM, exit statuses, and facts
 * about the build and the processor. Commands are not known here. Start with {@code TextTable}.
 */
package io.fovea.app.console;
