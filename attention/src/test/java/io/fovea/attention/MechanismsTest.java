package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.errors.FoveaException;
import io.fovea.nn.Ops;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Mechanisms from outside are found, and one that cannot be loaded is named. */
class MechanismsTest {
  private static final String SERVICE = "META-INF/services/" + Mechanism.Provider.class.getName();

  @TempDir Path folder;

  /** The mechanisms with those of some providers among the classes of this test. */
  private Map<String, Mechanism> found(String... providers) throws IOException {
    Path service = folder.resolve(SERVICE);
    Files.createDirectories(service.getParent());
    Files.write(service, List.of(providers));
    URL[] urls = {folder.toUri().toURL()};
    try (URLClassLoader loader = new URLClassLoader(urls, getClass().getClassLoader())) {
      return Mechanisms.find(loader);
    }
  }

  private static String provider(String name) {
    return MechanismsTest.class.getName() + "$" + name;
  }

  @Test
  void thoseFromOutsideComeLastByName() throws IOException {
    assertThat(found(provider("Same"), provider("Another")).keySet())
        .startsWith("se", "cbam")
        .endsWith("another", "same");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          Missing   | a mechanism cannot be loaded: .*MechanismsTest\\$Missing not found
          NoneAtAll | a mechanism cannot be loaded: .*MechanismsTest\\$NoneAtAll not a subtype
          Failing   | .*MechanismsTest\\$Failing cannot provide its mechanism: .* "Not A Name"
          Absent    | .*MechanismsTest\\$Absent cannot provide its mechanism: .*it provides null
          Closed    | .*MechanismsTest\\$Closed cannot provide its mechanism: .* no luck
          Taken     | there are two mechanisms "se"; rename the one from outside
          """)
  void oneThatCannotBeLoadedIsNamed(String provider, String message) {
    assertThatThrownBy(() -> found(provider(provider)))
        .isInstanceOf(FoveaException.class)
        .message()
        .matches(message);
  }

  @Test
  void twoFromOutsideOfOneNameAreRefused() {
    assertThatThrownBy(() -> found(provider("Same"), provider("SameAgain")))
        .isInstanceOf(FoveaException.class)
        .hasMessage("there are two mechanisms \"same\"; rename the one from outside");
  }

  private static Mechanism mechanism(String name) {
    return Mechanism.named(name, name).madeBy(Nothing::new);
  }

  private static final class Nothing extends Attention {
    Nothing(Settings settings) {
      super(settings);
    }

    @Override
    protected <T> T attend(Ops<T> ops, T x) {
      return x;
    }
  }

  /** Not a provider. */
  public static final class NoneAtAll {}

  /** A provider of {@code same}. */
  public static final class Same implements Mechanism.Provider {
    @Override
    public Mechanism mechanism() {
      return MechanismsTest.mechanism("same");
    }
  }

  /** Another provider of {@code same}. */
  public static final class SameAgain implements Mechanism.Provider {
    @Override
    public Mechanism mechanism() {
      return MechanismsTest.mechanism("same");
    }
  }

  /** A provider of {@code another}. */
  public static final class Another implements Mechanism.Provider {
    @Override
    public Mechanism mechanism() {
      return MechanismsTest.mechanism("another");
    }
  }

  /** A provider of a name that Fovea has. */
  public static final class Taken implements Mechanism.Provider {
    @Override
    public Mechanism mechanism() {
      return MechanismsTest.mechanism("se");
    }
  }

  /** A provider of what cannot be. */
  public static final class Failing implements Mechanism.Provider {
    private static final Mechanism MECHANISM = MechanismsTest.mechanism("Not A Name");

    @Override
    public Mechanism mechanism() {
      return MECHANISM;
    }
  }

  /** A provider of nothing. */
  public static final class Absent implements Mechanism.Provider {
    @Override
    public Mechanism mechanism() {
      return null;
    }
  }

  /** A provider whose constructor fails. */
  public static final class Closed implements Mechanism.Provider {
    /** Fails. */
    public Closed() {
      throw new IllegalStateException("no luck");
    }

    @Override
    public Mechanism mechanism() {
      return null;
    }
  }
}
