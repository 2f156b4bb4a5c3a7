package io.fovea.data.folder;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_16LE;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.data.DataException;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ClassListTest {
  @TempDir Path root;

  private ClassList read(String text, Charset charset) throws IOException {
    return ClassList.read(Files.write(root.resolve("classes.txt"), text.getBytes(charset)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "cat\ndog\n",
        "cat\r\ndog",
        "cat\rdog\r",
        "\ufeffcat\ndog\n",
        "# two\ncat\n# more\ndog\n",
        "\n  cat \ndog\n\n\n",
        "__ignore__\ncat\ndog",
        "0: cat\n1: dog\n",
        "cat:255,0,0::\ndog:0,255,0::\n",
        "[\"cat\", \"dog\"]",
        "['cat', 'dog']\n",
        "{\"1\": \"dog\", \"0\": \"cat\"}",
        "{0: 'cat',\n 1: \"dog\",}",
        "{\"0\": [\"n02121808\", \"cat\"], \"1\": [\"n02084071\", \"dog\"]}",
        "{\"dog\": 1, \"cat\": 0}"
      })
  void namesAreTheSameInEveryForm(String text) throws IOException {
    assertThat(read(text, UTF_8).names()).containsExactly("cat", "dog");
  }

  @Test
  void namesMayBeInAnyScriptAndInUtf16() throws IOException {
    assertThat(read("\u732b\n\u72ac\n", UTF_8).names()).containsExactly("\u732b", "\u72ac");
    assertThat(read("\ufeff\u732b\n\u72ac\n", UTF_16LE).names())
        .containsExactly("\u732b", "\u72ac");
  }

  @Test
  void valuesAndColoursAreRead() throws IOException {
    assertThat(read("0: cat\n255: dog", UTF_8).values()).containsExactly(0, 255);
    assertThat(read("cat:255,0,16::\ndog: 0, 1, 2", UTF_8).colours())
        .containsExactly(0xff0010, 0x000102);
    assertThat(read("cat\ndog", UTF_8).values()).isEmpty();
    assertThat(read("cat\ndog", UTF_8).colours()).isEmpty();
  }

  @Test
  void namesThatLookLikeNumbersAreNames() throws IOException {
    assertThat(read("1: one\ntwo", UTF_8))
        .isEqualTo(new ClassList(List.of("1: one", "two"), List.of(), List.of()));
    assertThat(read("3\n4", UTF_8).names()).containsExactly("3", "4");
  }

  @Test
  void whatCannotBeMeantIsRefused() {
    assertThatThrownBy(() -> read("cat\n\ndog", UTF_8))
        .isInstanceOf(DataException.class)
        .hasMessageEndingWith("line 2 is blank, but classes follow; remove it or name the class");
    assertThatThrownBy(() -> read("caf\u00e9\nbar", ISO_8859_1))
        .hasMessageEndingWith("is not text in UTF-8; save it with this encoding");
    assertThatThrownBy(() -> read("cat\ncat", UTF_8))
        .hasMessageEndingWith("has the class cat twice");
    assertThatThrownBy(() -> read("1: a\n1: b", UTF_8))
        .hasMessageEndingWith("gives the value 1 to two classes");
    assertThatThrownBy(() -> read("{0: 'a',\n1: b", UTF_8))
        .hasMessageEndingWith(
            "begins like a list or dict of JSON or Python, but line 2 cannot be read");
    assertThatThrownBy(() -> read("{0: 'a', 2: 'b'}", UTF_8))
        .hasMessageEndingWith(
            "expected a name for each index from 0 on, or an index for each name");
    assertThatThrownBy(() -> read("{'a': 0, 'b': 0}", UTF_8))
        .hasMessageEndingWith(
            "expected a name for each index from 0 on, or an index for each name");
    assertThatThrownBy(() -> read("['a', 'a']", UTF_8))
        .hasMessageEndingWith("has the class a twice");
    assertThatThrownBy(() -> read("[1, 2]", UTF_8))
        .hasMessageEndingWith("expected the names of classes, got 1");
    assertThatThrownBy(() -> read("a:1,2,300", UTF_8)).hasMessageContaining("not a colour");
    assertThatThrownBy(() -> ClassList.read(root.resolve("none.txt")))
        .hasMessageEndingWith("none.txt: no such file");
  }

  /** As timm's natural_key: expected values were made with timm 1.0.31. */
  @Test
  void theNaturalOrderIsTimms() {
    List<String> names =
        new ArrayList<>(
            List.of("class10", "class2", "Class1", "b", "A", "10", "9", "a2b10", "a2b9"));

    names.sort(NaturalOrder::compare);

    assertThat(names)
        .containsExactly("9", "10", "A", "a2b9", "a2b10", "b", "Class1", "class2", "class10");
  }
}
