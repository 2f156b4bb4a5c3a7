package io.fovea;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.lang.module.ModuleDescriptor;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Member;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * What programs can name is what public-api.txt says, so that a change of it is seen in review. After
 * one that is meant, write the file again: {@code mvn -pl api -am test -Dtest=PublicApiTest
 * -Dsurefire.failIfNoSpecifiedTests=false -Dfovea.writeApi=true}. {@code scripts/api-changes.sh} says
 * which of the changes since a release break programs.
 */
class PublicApiTest {
  private static final Path FILE = Path.of("src/test/resources/public-api.txt");
  private static final List<String> MODULES = List.of("attention", "models", "api");
  private static final Pattern THREADS =
      Pattern.compile("[Tt]hread-safe|[Ii]mmutable|[Tt]hreads? (may|belong)|(one|every) thread");

  @Test
  void isWhatTheFileSays() throws Exception {
    List<String> now = new ArrayList<>();
    for (String module : MODULES) {
      for (Class<?> type : publicTypes(module)) {
        now.add(header(type));
        members(type).forEach(member -> now.add(type.getName() + ": " + member));
      }
    }
    if (Boolean.getBoolean("fovea.writeApi")) {
      Files.write(FILE, now);
    }
    List<String> before = Files.readAllLines(FILE);
    List<String> changes = new ArrayList<>();
    before.stream().filter(line -> !now.contains(line)).forEach(line -> changes.add("- " + line));
    now.stream().filter(line -> !before.contains(line)).forEach(line -> changes.add("+ " + line));
    assertThat(changes)
        .as("changes of the public API; the class comment says what to do")
        .isEmpty();
  }

  @Test
  void everyTypeSaysWhetherThreadsMayShareIt() throws Exception {
    List<String> silent = new ArrayList<>();
    for (String module : MODULES) {
      for (Class<?> type : publicTypes(module)) {
        boolean needsWords =
            !type.isEnum()
                && !type.isAnnotation()
                && type.getEnclosingClass() == null
                && !Throwable.class.isAssignableFrom(type);
        if (needsWords && !says(type)) {
          silent.add(type.getName());
        }
      }
    }
    assertThat(silent).isEmpty();
  }

  /** Whether the comment of a class, or of one that it extends, speaks of threads. */
  private static boolean says(Class<?> type) throws IOException {
    for (Class<?> one = type; one != null; one = one.getSuperclass()) {
      for (String module : MODULES) {
        Path source =
            Path.of("..", module, "src/main/java", one.getName().replace('.', '/') + ".java");
        if (Files.exists(source)) {
          String text = Files.readString(source);
          Matcher declaration =
              Pattern.compile("(class|interface|record) " + one.getSimpleName() + "\\b")
                  .matcher(text);
          int begin = -1;
          int end = 0;
          while (begin < 0 && declaration.find()) { // the words may stand in the comment, too
            end = declaration.start();
            begin = text.lastIndexOf("*/", end) < 0 ? -1 : text.lastIndexOf("/**", end);
          }
          if (begin >= 0 && THREADS.matcher(text.substring(begin, end)).find()) {
            return true;
          }
        }
      }
    }
    return false;
  }

  /** All public types in the packages that a module exports to everybody. */
  private static List<Class<?>> publicTypes(String name) throws Exception {
    Path classes = Path.of("..", name, "target", "classes");
    ModuleDescriptor module;
    try (InputStream in = Files.newInputStream(classes.resolve("module-info.class"))) {
      module = ModuleDescriptor.read(in);
    }
    List<Class<?>> types = new ArrayList<>();
    for (String exported :
        new TreeSet<>(
            module.exports().stream()
                .filter(one -> !one.isQualified())
                .map(ModuleDescriptor.Exports::source)
                .toList())) {
      types.addAll(publicTypes(classes, exported));
    }
    return types;
  }

  private static List<Class<?>> publicTypes(Path classes, String exported)
      throws IOException, ClassNotFoundException {
    List<String> names;
    try (Stream<Path> files = Files.list(classes.resolve(exported.replace('.', '/')))) {
      names =
          files
              .map(file -> file.getFileName().toString())
              .filter(name -> name.endsWith(".class") && !name.startsWith("package-info"))
              .map(name -> exported + "." + name.replace(".class", ""))
              .sorted()
              .toList();
    }
    List<Class<?>> types = new ArrayList<>();
    for (String name : names) {
      Class<?> type = Class.forName(name, false, PublicApiTest.class.getClassLoader());
      if (isVisible(type)) {
        types.add(type);
      }
    }
    return types;
  }

  private static boolean isVisible(Class<?> type) {
    return !type.isAnonymousClass()
        && !type.isLocalClass()
        && isVisible(type.getModifiers())
        && (type.getEnclosingClass() == null || isVisible(type.getEnclosingClass()));
  }

  private static boolean isVisible(int modifiers) {
    return Modifier.isPublic(modifiers) || Modifier.isProtected(modifiers);
  }

  private static String header(Class<?> type) {
    Type parent = type.getGenericSuperclass();
    return Modifier.toString(type.getModifiers() & ~Modifier.STATIC)
        + (type.isInterface() ? " " : " class ")
        + type.getName()
        + parameters(type)
        + (parent == null || parent == Object.class ? "" : " extends " + parent.getTypeName())
        + Arrays.stream(type.getGenericInterfaces())
            .map(Type::getTypeName)
            .sorted()
            .map(name -> " implements " + name)
            .collect(Collectors.joining());
  }

  private static String parameters(Class<?> type) {
    return type.getTypeParameters().length == 0
        ? ""
        : Arrays.stream(type.getTypeParameters())
            .map(Type::getTypeName)
            .collect(Collectors.joining(", ", "<", ">"));
  }

  private static Collection<String> members(Class<?> type) {
    TreeSet<String> lines = new TreeSet<>();
    for (Field field : type.getDeclaredFields()) {
      add(lines, field, field.isSynthetic(), field.toGenericString());
    }
    for (Constructor<?> constructor : type.getDeclaredConstructors()) {
      add(lines, constructor, constructor.isSynthetic(), constructor.toGenericString());
    }
    for (Method method : type.getDeclaredMethods()) {
      add(lines, method, method.isSynthetic(), method.toGenericString());
    }
    return lines;
  }

  private static void add(Set<String> lines, Member member, boolean synthetic, String text) {
    if (!synthetic && isVisible(member.getModifiers())) {
      lines.add(text.replace(member.getDeclaringClass().getName() + ".", ""));
    }
  }
}
