package io.fovea.app.cli;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads large numbers as tables print them: {@code 90000}, {@code 90k}, {@code 1.5M}, {@code 2G}. */
final class CountConverter implements ITypeConverter<Double> {
  private static final Pattern COUNT = Pattern.compile("(\\d+(?:\\.\\d+)?)\\s*([kmg]?)");
  private static final double THOUSAND = 1000;

  @Override
  public Double convert(String text) {
    Matcher count = COUNT.matcher(text.strip().toLowerCase(Locale.ROOT));
    if (!count.matches() || Double.parseDouble(count.group(1)) == 0) {
      throw new TypeConversionException(
          "expected a number above 0 such as 90000, 90k or 1.5M, got \"" + text + "\"");
    }
    double factor =
        Math.pow(THOUSAND, " kmg".indexOf(count.group(2).isEmpty() ? " " : count.group(2)));
    return Double.parseDouble(count.group(1)) * factor;
  }
}
