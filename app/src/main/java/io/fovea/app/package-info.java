/** The command line and its reports. */
package io.fovea.app;
