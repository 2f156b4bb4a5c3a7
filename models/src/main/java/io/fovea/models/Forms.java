package io.fovea.models;

import io.fovea.errors.SpecException;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Reads the names of the forms in which published codes have a network. */
final class Forms {
  private Forms() {}

  /**
   * Finds the form of a name.
   *
   * @param forms {@link SegmenterForm} or {@link VideoForm}
   * @param network what kind of network it is, for the message
   * @throws SpecException if there is no such form
   */
  static <F extends Enum<F>> F of(Class<F> forms, String network, String name) {
    return Stream.of(forms.getEnumConstants())
        .filter(form -> form.toString().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new SpecException(
                    "the form of a "
                        + network
                        + " network must be "
                        + Stream.of(forms.getEnumConstants())
                            .map(F::toString)
                            .collect(Collectors.joining(", "))
                        + ", got \""
                        + name
                        + "\""));
  }
}
