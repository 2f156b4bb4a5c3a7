package io.fovea.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Marks a test of results from math libraries: libtorch, oneDNN, OpenBLAS, ONNX Runtime, or Java's
 * vectors. These choose their code by the processor, so such tests also run with the instructions
 * of older processors; see CONTRIBUTING.md.
 */
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@org.junit.jupiter.api.Tag("numeric") // of tests
@net.jqwik.api.Tag("numeric") // of properties, whose engine does not know the other
public @interface Numeric {}
