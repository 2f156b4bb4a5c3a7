package io.fovea.tensor.compute;

import io.fovea.tensor.internal.Gradients;
import java.util.List;
import org.bytedeco.openblas.global.openblas;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Products of matrices between channels with feature maps {@code [B, C, N]}. The positions are
 * divided among {@link Workers}, in the gradients, too.
 */
public final class ChannelProducts {
  private static final int STRIP =
      16; // number of positions in a vector, so that no part begins inside one

  private ChannelProducts() {}

  /** Whether this class supports these feature maps. */
  public static boolean supports(Tensor x) {
    ScalarType type = x.scalar_type().intern();
    return x.is_cpu() && (type == ScalarType.Float || type == ScalarType.Double);
  }

  /**
   * {@code weight x + bias}, and {@code + x} with a shortcut: a pointwise convolution.
   *
   * @param x {@code [B, C, N]}, contiguous
   * @param weight {@code [O, C]}, or {@code [B, O, C]} with a matrix for each image
   * @param bias {@code [O, 1]} or {@code [B, O, 1]}
   * @param shortcut whether x is added; then O must equal C
   * @return {@code [B, O, N]}
   */
  public static Tensor mapped(Tensor x, Tensor weight, Tensor bias, boolean shortcut) {
    Tensor in = x.detach();
    Tensor matrix = weight.detach();
    Tensor offset = bias.detach();
    Tensor y = in.new_empty(in.size(0), weight.size(-2), in.size(2));
    new Positions(in)
        .divide(
            (part, image, from, count) -> {
              Tensor own = in.select(0, image).narrow(1, from, count);
              Tensor result = y.select(0, image).narrow(1, from, count);
              Tensor b = of(offset, image);
              if (shortcut) {
                torch.add_out(result, own, b);
                result.addmm_(of(matrix, image), own);
              } else {
                torch.addmm_out(result, b, of(matrix, image), own);
              }
            });
    if (Gradients.needed(x, weight, bias)) {
      boolean ofX = x.requires_grad();
      boolean ofWeight = weight.requires_grad();
      boolean ofBias = bias.requires_grad();
      boolean biasPerImage = bias.dim() == 3;
      CustomGradient.attach(
          y,
          List.of(x, weight, bias),
          List.of(in, matrix),
          dy -> {
            Tensor dx = ofX ? in.new_empty(in.shape()) : new Tensor();
            Positions positions = new Positions(in);
            Shares dw =
                new Shares(positions, matrix.dim() == 3, in, matrix.size(-2), matrix.size(-1));
            positions.divide(
                (part, image, from, count) -> {
                  Tensor up = dy.select(0, image).narrow(1, from, count);
                  if (ofX) {
                    Tensor result = dx.select(0, image).narrow(1, from, count);
                    Tensor transposed = of(matrix, image).t();
                    if (shortcut) {
                      torch.addmm_out(result, up, transposed, up);
                    } else {
                      torch.mm_out(result, transposed, up);
                    }
                  }
                  if (ofWeight) {
                    Tensor own = in.select(0, image).narrow(1, from, count);
                    dw.of(part, image).addmm_(up, own.t());
                  }
                });
            Tensor sums = ofBias ? dy.sum(2L).unsqueeze(2) : new Tensor();
            return List.of(
                dx,
                ofWeight ? dw.sum() : new Tensor(),
                ofBias && !biasPerImage ? sums.sum(0L) : sums);
          });
    }
    return y;
  }

  /**
   * {@code affine [x; 1]}.
   *
   * @param x {@code [B, C, N]}, contiguous
   * @param affine {@code [O, C + 1]}, or {@code [B, O, C + 1]} with a matrix for each image
   * @return {@code [B, O, N]}
   */
  public static Tensor mapped(Tensor x, Tensor affine) {
    long channels = x.size(1);
    return mapped(x, affine.narrow(-1, 0, channels), affine.narrow(-1, channels, 1), false);
  }

  private static Tensor of(Tensor perImage, long image) {
    return perImage.dim() == 3 ? perImage.select(0, image) : perImage;
  }

  /**
   * The sums over all positions of the products of two channels, and of a channel and 1: {@code [x;
   * 1] [x; 1]ᵀ}. This has no gradient.
   *
   * @param in {@code [B, C, N]}, contiguous and detached
   * @return {@code [B, C + 1, C + 1]}, symmetric: the last row and column are the sums of the channels, and
   *     their last is N
   */
  public static Tensor moments(Tensor in) {
    long channels = in.size(1);
    Positions positions = new Positions(in);
    Shares shares = new Shares(positions, true, in, channels + 1, channels + 1);
    positions.divide(
        (part, image, from, count) -> {
          Tensor own = in.select(0, image).narrow(1, from, count);
          Tensor share = shares.of(part, image);
          addLowerTriangle(own, share);
          Tensor last = share.select(0, channels);
          last.narrow(0, 0, channels).add_(own.sum(1L));
          last.narrow(0, channels, 1).add_(new Scalar((double) count));
        });
    return symmetric(shares.sum());
  }

  /** Completes matrices of which only the lower triangle has values. */
  private static Tensor symmetric(Tensor lower) {
    Tensor whole = lower.add(lower.transpose(1, 2));
    whole.diagonal(0, 1, 2).mul_(new Scalar(0.5));
    return whole;
  }

  /**
   * The sums over all positions of the products of two channels, {@code x xᵀ}.
   *
   * @param x {@code [B, C, N]}, contiguous
   * @return {@code [B, C, C]}, symmetric
   */
  public static Tensor gram(Tensor x) {
    Tensor in = x.detach();
    Positions positions = new Positions(in);
    Shares shares = new Shares(positions, true, in, in.size(1), in.size(1));
    positions.divide(
        (part, image, from, count) ->
            addLowerTriangle(in.select(0, image).narrow(1, from, count), shares.of(part, image)));
    Tensor gram = symmetric(shares.sum());
    if (Gradients.needed(x)) {
      CustomGradient.attach(
          gram,
          List.of(x),
          List.of(in),
          dy -> {
            Tensor dx = in.new_empty(in.shape());
            Tensor both = dy.add(dy.transpose(1, 2)); // x is on both sides
            new Positions(in)
                .divide(
                    (part, image, from, count) ->
                        torch.mm_out(
                            dx.select(0, image).narrow(1, from, count),
                            both.select(0, image),
                            in.select(0, image).narrow(1, from, count)));
            return List.of(dx);
          });
    }
    return gram;
  }

  /**
   * Adds the products of all rows of {@code x} to the lower triangle of a matrix, which takes half
   * of the multiplications of the product with the transpose. libtorch has no method for this, so
   * it calls BLAS.
   *
   * @param x {@code [C, N]}, of which each row is contiguous
   * @param matrix at least {@code [C, C]}, likewise
   */
  private static void addLowerTriangle(Tensor x, Tensor matrix) {
    int channels = Math.toIntExact(x.size(0));
    int positions = Math.toIntExact(x.size(1));
    int rowOfX = Math.toIntExact(x.stride(0));
    int row = Math.toIntExact(matrix.stride(0));
    if (x.scalar_type().intern() == ScalarType.Float) {
      openblas.cblas_ssyrk(
          openblas.CblasRowMajor,
          openblas.CblasLower,
          openblas.CblasNoTrans,
          channels,
          positions,
          1,
          x.data_ptr_float(),
          rowOfX,
          1,
          matrix.data_ptr_float(),
          row);
    } else {
      openblas.cblas_dsyrk(
          openblas.CblasRowMajor,
          openblas.CblasLower,
          openblas.CblasNoTrans,
          channels,
          positions,
          1,
          x.data_ptr_double(),
          rowOfX,
          1,
          matrix.data_ptr_double(),
          row);
    }
  }

  /** A range of positions of an image, which one thread computes. */
  private interface Piece {
    void compute(int part, long image, long from, long count);
  }

  /** The positions of all images, one after the other, in equal parts. */
  private static final class Positions {
    private final long images;
    private final long positions;
    private final long strips; // of an image
    private final int parts;

    Positions(Tensor x) {
      images = x.size(0);
      positions = x.size(2);
      strips = (positions + STRIP - 1) / STRIP;
      parts = Workers.parts(images * strips);
    }

    void divide(Piece body) {
      Workers.divide(
          images * strips,
          parts,
          (part, from, to) -> {
            for (long strip = from; strip < to; ) {
              long image = strip / strips;
              long end = Math.min(to, (image + 1) * strips);
              long first = (strip - image * strips) * STRIP;
              long last = Math.min(positions, (end - image * strips) * STRIP);
              body.compute(part, image, first, last - first);
              strip = end;
            }
          });
    }

    /** The part that contains a strip. */
    private int partOf(long strip) {
      int part = 0;
      while (strip >= images * strips * (part + 1) / parts) {
        part++;
      }
      return part;
    }

    int firstPart(long image) {
      return partOf(image * strips);
    }

    int lastPart(long image) {
      return partOf((image + 1) * strips - 1);
    }
  }

  /**
   * The matrices to which each part adds, and their sums. If each image has its own matrix, a part
   * has one for each of its images, at index image + part. No two parts share an index, because no
   * part begins before the end of another.
   */
  private static final class Shares {
    private final Positions positions;
    private final boolean perImage;
    private final Tensor memory;

    Shares(Positions positions, boolean perImage, Tensor x, long rows, long columns) {
      this.positions = positions;
      this.perImage = perImage;
      long places = perImage ? positions.images + positions.parts - 1 : positions.parts;
      memory = x.new_zeros(places, rows, columns);
    }

    Tensor of(int part, long image) {
      return memory.select(0, perImage ? image + part : part);
    }

    Tensor sum() {
      if (!perImage) {
        return memory.sum(0L);
      }
      Tensor[] sums = new Tensor[Math.toIntExact(positions.images)];
      for (int image = 0; image < sums.length; image++) {
        int first = positions.firstPart(image);
        int count = positions.lastPart(image) - first + 1;
        sums[image] = memory.narrow(0, image + first, count).sum(0L);
      }
      return torch.stack(new TensorVector(sums));
    }
  }
}
