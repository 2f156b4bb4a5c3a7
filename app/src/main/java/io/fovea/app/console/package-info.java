/** Texts, progress and errors on a terminal. */
package io.fovea.app.console;
