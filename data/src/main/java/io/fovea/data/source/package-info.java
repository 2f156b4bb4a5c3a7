/** Which data, as records that become JSON. */
package io.fovea.data.source;
