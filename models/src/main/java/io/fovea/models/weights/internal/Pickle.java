package io.fovea.models.weights.internal;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads a Python pickle without executing anything. A pickle is a program for a small stack
 * machine. This reader supports the instructions that build plain data, and passes the few calls in
 * PyTorch's files to {@link Calls}, which knows them by name. Any other object becomes an inert {@link
 * Unknown}, which has nothing but the name of its class or function; what it was made from is dropped.
 * Everything else is refused and named.
 *
 * <p>Python's values become {@code null}, Boolean, Long, BigInteger, Double, String, byte[], {@link
 * Tuple}, List and Map. Work and memory are bounded by the length of the pickle, which is bounded
 * by {@link #LONGEST}.
 *
 * <p>The instructions are described in <a
 * href="https://github.com/python/cpython/blob/main/Lib/pickletools.py">pickletools</a>.
 */
public final class Pickle {
  private static final long LONGEST = 64L << 20;
  private static final int MOST_INSTRUCTIONS = 5_000_000;
  // number of bytes; printing a longer number would take long
  private static final int LONGEST_NUMBER = 1024;
  private static final int HIGHEST_PROTOCOL = 5;
  private static final Object MARK = new Object();

  /** A Python tuple. */
  record Tuple(List<Object> items) {}

  /** A class or function, represented by its name. */
  record Global(String module, String name) {
    @Override
    public String toString() {
      return UntrustedInput.text(module + "." + name);
    }
  }

  /**
   * An object of a class that is not known, or the result of a function that is not: a placeholder.
   */
  record Unknown(Global global) {}

  /** The classes and functions that a pickle may call. */
  interface Calls {
    /** Whether a class or function may be called; otherwise its results are placeholders. */
    boolean knows(Global global);

    /** Is told of each placeholder. */
    void unknown(Global global);

    /**
     * Calls it.
     *
     * @throws Refused if it cannot be called in this way
     */
    Object call(Global function, List<Object> arguments);

    /**
     * Returns an object outside the pickle.
     *
     * @throws Refused if it does not exist
     */
    Object persistent(Object id);
  }

  /** An error in a pickle. Its message is prefixed with the position. */
  static final class Refused extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Refused(String message) {
      super(message);
    }
  }

  private final BoundedReader in;
  private final Calls calls;
  private final long start;
  private final List<Object> stack = new ArrayList<>();
  private final Map<Long, Object> memo = new HashMap<>();
  private long passed;

  private Pickle(BoundedReader in, Calls calls) {
    this.in = in;
    this.calls = calls;
    start = in.position();
  }

  /**
   * Reads one pickle. Afterwards the source is positioned after it.
   *
   * @throws IOException if it is damaged or contains something that is refused; the message names
   *     the position
   */
  static Object read(BoundedReader in, Calls calls) throws IOException {
    try {
      return new Pickle(in, calls).run();
    } catch (Refused e) {
      IOException fault = in.fault(e.getMessage());
      fault.initCause(e);
      throw fault;
    }
  }

  private Object run() throws IOException {
    for (int i = 0; i < MOST_INSTRUCTIONS; i++) {
      int instruction = in.next();
      if (instruction == '.') {
        return pop();
      }
      execute(instruction);
      if (in.position() - start > LONGEST) {
        throw new Refused("a pickle longer than " + LONGEST + " bytes");
      }
    }
    throw new Refused("a pickle of more than " + MOST_INSTRUCTIONS + " instructions");
  }

  private void execute(int instruction) throws IOException {
    switch (instruction) {
      case 0x80 -> protocol(in.next());
      case 0x95 -> in.little(8); // the length of a frame, which only a buffering reader needs
      case '(' -> stack.add(MARK);
      case '0' -> pop();
      case '1' -> popToMark();

      case 'N' -> stack.add(null);
      case 0x88 -> stack.add(true);
      case 0x89 -> stack.add(false);
      case 'J' -> stack.add((long) (int) in.little(4));
      case 'K' -> stack.add(in.little(1));
      case 'M' -> stack.add(in.little(2));
      case 'I' -> stack.add(integerOrBoolean(line()));
      case 'L' -> stack.add(integer(line().replaceFirst("L$", "")));
      case 0x8a -> stack.add(integer(take(in.little(1))));
      case 0x8b -> stack.add(integer(take(in.little(4))));
      case 'F' -> stack.add(real(line()));
      case 'G' -> stack.add(Double.longBitsToDouble(Long.reverseBytes(in.little(8))));

      case 'X' -> stack.add(utf8(in.little(4)));
      case 0x8c -> stack.add(utf8(in.little(1)));
      case 0x8d -> stack.add(utf8(in.little(8)));
      // str of Python 2, used for names in PyTorch's files
      case 'U' -> stack.add(utf8(in.little(1)));
      case 'T' -> stack.add(utf8(in.little(4)));
      case 'C' -> stack.add(take(in.little(1)));
      case 'B' -> stack.add(take(in.little(4)));
      case 0x8e -> stack.add(take(in.little(8)));

      case ')' -> stack.add(new Tuple(List.of()));
      case 0x85 -> tuple(1);
      case 0x86 -> tuple(2);
      case 0x87 -> tuple(3);
      case 't' -> stack.add(new Tuple(Collections.unmodifiableList(popToMark())));
      case ']' -> stack.add(new ArrayList<>());
      case 'l' -> stack.add(popToMark());
      case 'a' -> append(Collections.singletonList(pop()));
      case 'e' -> append(popToMark());
      case 0x8f -> stack.add(new ArrayList<>()); // a set, in the order of the file
      case 0x90 -> append(popToMark());
      case 0x91 -> stack.add(new Tuple(Collections.unmodifiableList(popToMark())));
      case '}' -> stack.add(new LinkedHashMap<>());
      case 'd' -> {
        List<Object> items = popToMark();
        stack.add(new LinkedHashMap<>());
        put(items);
      }
      case 's' -> {
        Object value = pop();
        Object key = pop();
        put(Arrays.asList(key, value));
      }
      case 'u' -> put(popToMark());

      case 'q' -> memo.put(in.little(1), peek());
      case 'r' -> memo.put(in.little(4), peek());
      case 0x94 -> memo.put((long) memo.size(), peek());
      case 'h' -> recall(in.little(1));
      case 'j' -> recall(in.little(4));

      case 'c' -> global(line(), line());
      case 0x93 -> {
        Object name = pop();
        Object module = pop();
        global(expect(String.class, module, "a name"), expect(String.class, name, "a name"));
      }
      case 'R' -> {
        Object given = pop();
        Object function = pop();
        if (function instanceof Global global && calls.knows(global)) {
          Tuple arguments = expect(Tuple.class, given, "the arguments of a call");
          requireOnce(arguments.items());
          stack.add(calls.call(global, arguments.items()));
        } else {
          placeholder(function);
        }
      }
      case 0x81 -> { // an object of a class, from its arguments
        pop();
        made(pop());
      }
      case 0x92 -> { // with named arguments
        pop();
        pop();
        made(pop());
      }
      case 'i' -> {
        Global global = new Global(line(), line());
        popToMark();
        made(global);
      }
      case 'o' -> {
        List<Object> items = popToMark();
        if (items.isEmpty()) {
          throw new Refused("an object without a class");
        }
        made(items.get(0));
      }
      case 'Q' -> stack.add(calls.persistent(pop()));
      case 'b' -> {
        pop(); // attributes of a dict, in which PyTorch stores the version of each module
        Object object = peek();
        if (!(object instanceof Unknown)) {
          expect(Map.class, object, "the object that gets attributes");
        }
      }

      default -> throw new Refused("the instruction " + name(instruction) + " is refused");
    }
  }

  private void protocol(int version) {
    if (version > HIGHEST_PROTOCOL) {
      throw new Refused("a pickle of protocol " + version);
    }
  }

  /**
   * Counts the items of the lists that are passed to calls, which copy them. Each list of PyTorch is
   * passed once, so that there are never more items than bytes.
   */
  private void requireOnce(List<Object> arguments) {
    for (Object argument : arguments) {
      passed += argument instanceof List<?> list ? list.size() : 0;
    }
    if (passed > in.position() - start) {
      throw new Refused("passes the same lists to many calls");
    }
  }

  private Object pop() {
    if (stack.isEmpty()) {
      throw new Refused("an instruction needs a value, but the stack is empty");
    }
    Object value = stack.remove(stack.size() - 1);
    if (value == MARK) {
      throw new Refused("an instruction needs a value, but there is a mark on the stack");
    }
    return value;
  }

  private Object peek() {
    Object value = pop();
    stack.add(value);
    return value;
  }

  private List<Object> popToMark() {
    int mark = stack.lastIndexOf(MARK);
    if (mark < 0) {
      throw new Refused("an instruction needs a mark, but there is none on the stack");
    }
    List<Object> tail = stack.subList(mark + 1, stack.size());
    List<Object> items = new ArrayList<>(tail);
    tail.clear();
    stack.remove(mark);
    return items;
  }

  private void tuple(int size) {
    Object[] items = new Object[size];
    for (int i = size - 1; i >= 0; i--) {
      items[i] = pop();
    }
    stack.add(new Tuple(Collections.unmodifiableList(Arrays.asList(items))));
  }

  @SuppressWarnings("unchecked")
  private void append(List<Object> items) {
    if (peek() instanceof Unknown) {
      return; // the items of a list of an unknown kind
    }
    List<Object> list = expect(List.class, peek(), "the object to append to");
    list.addAll(items);
  }

  @SuppressWarnings("unchecked")
  private void put(List<Object> items) {
    if (peek() instanceof Unknown) {
      return; // the entries of a dict of an unknown kind
    }
    Map<Object, Object> map = expect(Map.class, peek(), "the object that gets entries");
    put(map, items);
  }

  /** Puts alternating keys and values into a dict. */
  static void put(Map<Object, Object> map, List<Object> items) {
    if (items.size() % 2 != 0) {
      throw new Refused("a key without a value");
    }
    for (int i = 0; i < items.size(); i += 2) {
      Object key = items.get(i);
      boolean plain =
          key == null || key instanceof String || key instanceof Number || key instanceof Boolean;
      Object safe = plain ? key : new Object(); // a list that contains itself has no hash
      if (map.containsKey(safe)) {
        throw new Refused("the key " + UntrustedInput.text(key) + " occurs twice");
      }
      map.put(safe, items.get(i + 1));
    }
  }

  private void recall(long index) {
    if (!memo.containsKey(index)) {
      throw new Refused("an instruction refers to value " + index + ", which does not exist");
    }
    stack.add(memo.get(index));
  }

  private void global(String module, String name) {
    stack.add(new Global(module, name));
  }

  /** An object of a class: a dict if it is one that PyTorch's files need, else a placeholder. */
  private void made(Object type) {
    if (type instanceof Global global && calls.knows(global)) {
      stack.add(calls.call(global, List.of()));
    } else {
      placeholder(type);
    }
  }

  private void placeholder(Object function) {
    if (function instanceof Unknown unknown) { // the result of a result
      stack.add(unknown);
      return;
    }
    Global global = expect(Global.class, function, "the called object");
    calls.unknown(global);
    stack.add(new Unknown(global));
  }

  private byte[] take(long count) throws IOException {
    if (count < 0 || count > LONGEST) {
      throw new Refused("a value of " + Long.toUnsignedString(count) + " bytes");
    }
    return in.take(count);
  }

  private String utf8(long count) throws IOException {
    return new String(take(count), StandardCharsets.UTF_8);
  }

  private String line() throws IOException {
    StringBuilder text = new StringBuilder();
    for (int c = in.next(); c != '\n'; c = in.next()) {
      if (text.length() > 4096) {
        throw new Refused("a line longer than 4096 bytes");
      }
      text.append((char) c);
    }
    return text.toString();
  }

  private static Object integerOrBoolean(String text) {
    return switch (text) {
      case "00" -> false;
      case "01" -> true;
      default -> integer(text);
    };
  }

  private static Object integer(String text) {
    try {
      return fitting(new BigInteger(text));
    } catch (NumberFormatException e) {
      throw new Refused("a number written " + UntrustedInput.text(text));
    }
  }

  private static Object integer(byte[] little) {
    if (little.length > LONGEST_NUMBER) {
      throw new Refused("a number of " + little.length + " bytes");
    }
    byte[] big = new byte[little.length + (little.length == 0 ? 1 : 0)];
    for (int i = 0; i < little.length; i++) {
      big[little.length - 1 - i] = little[i];
    }
    return fitting(new BigInteger(big));
  }

  private static Object fitting(BigInteger value) {
    return value.bitLength() < Long.SIZE ? (Object) value.longValue() : value;
  }

  private static Object real(String text) {
    try {
      return Double.parseDouble(text);
    } catch (NumberFormatException e) {
      throw new Refused("a number written " + UntrustedInput.text(text));
    }
  }

  /**
   * Casts a value to its required type.
   *
   * @throws Refused if it is not
   */
  static <T> T expect(Class<T> type, Object value, String what) {
    if (!type.isInstance(value)) {
      throw new Refused(what + " is " + kind(value) + ", which is refused");
    }
    return type.cast(value);
  }

  /** Whether a value is a placeholder. */
  public static boolean isUnknown(Object value) {
    return value instanceof Unknown;
  }

  /** The items of a list or a tuple; nothing for anything else. */
  public static List<?> items(Object value) {
    return value instanceof Tuple tuple
        ? tuple.items()
        : value instanceof List<?> list ? list : List.of();
  }

  /** The type of a value, in the terms of Python. */
  public static String kind(Object value) {
    if (value == null) {
      return "None";
    }
    if (value instanceof Map) {
      return "a dict";
    }
    if (value instanceof List) {
      return "a list";
    }
    if (value instanceof Tuple) {
      return "a tuple";
    }
    if (value instanceof String) {
      return "text";
    }
    if (value instanceof Number || value instanceof Boolean) {
      return "a number";
    }
    if (value instanceof Unknown unknown) {
      return "an object of " + unknown.global();
    }
    return value instanceof Global ? value.toString() : "a " + value.getClass().getSimpleName();
  }

  private static String name(int instruction) {
    return switch (instruction) {
      case 'P' -> "PERSID";
      case 0x82, 0x83, 0x84 -> "EXT (which looks up code)";
      default -> "0x" + Integer.toHexString(instruction);
    };
  }
}
