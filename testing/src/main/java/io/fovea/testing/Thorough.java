package io.fovea.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Marks a test with so many cases that it takes minutes. It runs with {@code mvn verify -Plong} only;
 * another test has a few of its cases and always runs.
 */
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@org.junit.jupiter.api.Tag("long") // of tests
@net.jqwik.api.Tag("long") // of properties, whose engine does not know the other
public @interface Thorough {}
