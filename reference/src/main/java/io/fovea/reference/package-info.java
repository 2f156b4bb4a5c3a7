/** The reference implementations of the mechanisms, operator by operator, to measure against. */
package io.fovea.reference;
