package io.fovea.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * A test of numbers that the math libraries compute: libtorch, oneDNN, OpenBLAS, ONNX Runtime, or
 * Java's vectors. They choose their code by the processor, so these tests also run with the
 * instructions of older processors; CONTRIBUTING.md says how.
 */
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@org.junit.jupiter.api.Tag("numeric") // of tests
@net.jqwik.api.Tag("numeric") // of properties, whose engine does not know the other
public @interface Numeric {}
