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
import java.util.TreeSet;
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

  @Test
  void isWhatTheFileSays() throws Exception {
    List<String> now = new ArrayList<>();
    for (String module : List.of("attention", "models", "api")) {
      now.addAll(ofModule(Path.of("..", module, "target", "classes")));
    }
    if (Boolean.getBoolean("fovea.writeApi")) {
      Files.write(FILE, now);
    }
    List<String> before = Files.readAllLines(FILE);
    List<String> changes = new ArrayList<>();
    before.stream().filter(line -> !now.contains(line)).forEach(line -> changes.add("- " + line));
    now.stream().filter(line -> !before.contains(line)).forEach(line -> changes.add("+ " + line));
    assertThat(changes).as("changes of the public API; the class comment says what to do").isEmpty();
  }

  /** The lines of all public types in the packages that a module exports to everybody. */
  private static List<String> ofModule(Path classes) throws Exception {
    ModuleDescriptor module;
    try (InputStream in = Files.newInputStream(classes.resolve("module-info.class"))) {
      module = ModuleDescriptor.read(in);
    }
    List<String> lines = new ArrayList<>();
    for (String exported :
        new TreeSet<>(
            module.exports().stream()
                .filter(one -> !one.isQualified())
                .map(ModuleDescriptor.Exports::source)
                .toList())) {
      for (Class<?> type : publicTypes(classes, exported)) {
        lines.add(header(type));
        members(type).forEach(member -> lines.add(type.getName() + ": " + member));
      }
    }
    return lines;
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

  private static void add(TreeSet<String> lines, Member member, boolean synthetic, String text) {
    if (!synthetic && isVisible(member.getModifiers())) {
      lines.add(text.replace(member.getDeclaringClass().getName() + ".", ""));
    }
  }
}
