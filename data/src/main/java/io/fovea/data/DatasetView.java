package io.fovea.data;

import java.nio.file.Path;
import java.util.List;
import java.util.Random;

/** A view of another set, which shows all of it unless methods are overridden. */
public class DatasetView implements ImageDataset {
  /** The other set. */
  protected final ImageDataset source;

  /** Creates a view of a set. */
  protected DatasetView(ImageDataset source) {
    this.source = source;
  }

  /** The index in the other set of a sample in this set. */
  protected int in(int index) {
    return index;
  }

  @Override
  public List<String> classes() {
    return source.classes();
  }

  @Override
  public int size() {
    return source.size();
  }

  @Override
  public int channels() {
    return source.channels();
  }

  @Override
  public int frames() {
    return source.frames();
  }

  @Override
  public int views() {
    return source.views();
  }

  @Override
  public int height() {
    return source.height();
  }

  @Override
  public int width() {
    return source.width();
  }

  @Override
  public int label(int index) {
    return source.label(in(index));
  }

  @Override
  public String id(int index) {
    return source.id(in(index));
  }

  @Override
  public List<Path> files(int index) {
    return source.files(in(index));
  }

  @Override
  public byte[] pixels(int index) {
    return source.pixels(in(index));
  }

  @Override
  public byte[] pixels(int index, Random random) {
    return source.pixels(in(index), random);
  }

  @Override
  public byte[] view(int index, int view) {
    return source.view(in(index), view);
  }
}
