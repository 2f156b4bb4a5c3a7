package io.fovea.app.cli;

import io.fovea.errors.FoveaException;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import java.util.Iterator;
import java.util.Locale;
import java.util.stream.Collectors;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Converts names on the command line to tasks. */
final class TaskConverter implements ITypeConverter<Task<?, ?>> {
  /** The names. */
  static final class Names implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return Tasks.all().stream().map(Task::toString).iterator();
    }
  }

  @Override
  public Task<?, ?> convert(String value) {
    try {
      return Tasks.of(value.toLowerCase(Locale.ROOT));
    } catch (FoveaException e) {
      throw new TypeConversionException(
          "expected one of "
              + Tasks.all().stream().map(Task::toString).collect(Collectors.joining(", "))
              + " but was '"
              + value
              + "'");
    }
  }
}
