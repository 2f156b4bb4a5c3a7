package io.fovea.data.folder;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The order in which timm sorts classes: numbers in names by their value, letters regardless of
 * their case. Fovea and torchvision sort character by character, so that {@code class10} comes
 * before {@code class2}.
 */
public final class NaturalOrder {
  private static final Pattern PIECE = Pattern.compile("\\d+|\\D+");

  private NaturalOrder() {}

  /** Compares two names. */
  public static int compare(String a, String b) {
    List<String> first = pieces(a);
    List<String> second = pieces(b);
    for (int i = 0; i < Math.min(first.size(), second.size()); i++) {
      int order = comparePieces(first.get(i), second.get(i));
      if (order != 0) {
        return order;
      }
    }
    return Integer.compare(first.size(), second.size());
  }

  private static int comparePieces(String a, String b) {
    boolean numbers = Character.isDigit(a.charAt(0)) && Character.isDigit(b.charAt(0));
    return numbers ? new BigInteger(a).compareTo(new BigInteger(b)) : a.compareTo(b);
  }

  private static List<String> pieces(String name) {
    List<String> pieces = new ArrayList<>();
    Matcher matcher = PIECE.matcher(name.toLowerCase(Locale.ROOT));
    while (matcher.find()) {
      pieces.add(matcher.group());
    }
    return pieces;
  }
}
