/** Images whose pixels have classes. */
package io.fovea.data.mask;
