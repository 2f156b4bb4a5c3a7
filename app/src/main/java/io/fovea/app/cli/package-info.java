/** A class for each command, and their options. */
package io.fovea.app.cli;
