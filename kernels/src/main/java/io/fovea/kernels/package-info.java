/** The mechanisms as vector code for Java 25, found at start. */
package io.fovea.kernels;
