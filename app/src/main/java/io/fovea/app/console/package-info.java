/**
 * What the commands print with: tables, progress, Ctrl-C, the JVM's own messages, exit statuses,
 * what the build and the processor are. No command is known here. Start with {@code TextTable}.
 */
package io.fovea.app.console;
