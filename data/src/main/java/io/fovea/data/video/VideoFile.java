package io.fovea.data.video;

import static org.bytedeco.ffmpeg.global.avcodec.AV_CODEC_PROP_INTRA_ONLY;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_alloc;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_unref;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_alloc_context3;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_descriptor_get;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_find_decoder;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_flush_buffers;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_get_name;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_open2;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_parameters_to_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_receive_frame;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_send_packet;
import static org.bytedeco.ffmpeg.global.avformat.AVFMT_DURATION_FROM_BITRATE;
import static org.bytedeco.ffmpeg.global.avformat.AVSEEK_FLAG_BACKWARD;
import static org.bytedeco.ffmpeg.global.avformat.AV_DISPOSITION_ATTACHED_PIC;
import static org.bytedeco.ffmpeg.global.avformat.av_find_best_stream;
import static org.bytedeco.ffmpeg.global.avformat.av_read_frame;
import static org.bytedeco.ffmpeg.global.avformat.av_seek_frame;
import static org.bytedeco.ffmpeg.global.avformat.avformat_alloc_context;
import static org.bytedeco.ffmpeg.global.avformat.avformat_find_stream_info;
import static org.bytedeco.ffmpeg.global.avformat.avformat_open_input;
import static org.bytedeco.ffmpeg.global.avutil.AVERROR_EAGAIN;
import static org.bytedeco.ffmpeg.global.avutil.AVERROR_EOF;
import static org.bytedeco.ffmpeg.global.avutil.AVMEDIA_TYPE_AUDIO;
import static org.bytedeco.ffmpeg.global.avutil.AVMEDIA_TYPE_VIDEO;
import static org.bytedeco.ffmpeg.global.avutil.AV_FRAME_DATA_DISPLAYMATRIX;
import static org.bytedeco.ffmpeg.global.avutil.AV_LOG_QUIET;
import static org.bytedeco.ffmpeg.global.avutil.AV_NOPTS_VALUE;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_RGB24;
import static org.bytedeco.ffmpeg.global.avutil.AV_TIME_BASE;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_alloc;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_get_side_data;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_unref;
import static org.bytedeco.ffmpeg.global.avutil.av_log_set_level;
import static org.bytedeco.ffmpeg.global.avutil.av_max_alloc;
import static org.bytedeco.ffmpeg.global.avutil.av_opt_set;
import static org.bytedeco.ffmpeg.global.avutil.av_strerror;
import static org.bytedeco.ffmpeg.global.swscale.SWS_BICUBIC;
import static org.bytedeco.ffmpeg.global.swscale.sws_alloc_context;
import static org.bytedeco.ffmpeg.global.swscale.sws_freeContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_scale_frame;
import static org.bytedeco.opencv.global.opencv_core.CV_8UC3;
import static org.bytedeco.opencv.global.opencv_core.flip;
import static org.bytedeco.opencv.global.opencv_core.transpose;
import static org.bytedeco.opencv.global.opencv_imgproc.COLOR_RGB2GRAY;
import static org.bytedeco.opencv.global.opencv_imgproc.cvtColor;

import io.fovea.data.UnreadableImageException;
import io.fovea.data.image.Images;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.bytedeco.ffmpeg.avcodec.AVCodec;
import org.bytedeco.ffmpeg.avcodec.AVCodecContext;
import org.bytedeco.ffmpeg.avcodec.AVPacket;
import org.bytedeco.ffmpeg.avformat.AVFormatContext;
import org.bytedeco.ffmpeg.avformat.AVStream;
import org.bytedeco.ffmpeg.avutil.AVDictionary;
import org.bytedeco.ffmpeg.avutil.AVFrame;
import org.bytedeco.ffmpeg.avutil.AVFrameSideData;
import org.bytedeco.ffmpeg.avutil.AVRational;
import org.bytedeco.ffmpeg.global.avcodec;
import org.bytedeco.ffmpeg.global.avformat;
import org.bytedeco.ffmpeg.global.avutil;
import org.bytedeco.ffmpeg.swscale.SwsContext;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.opencv.opencv_core.Mat;

/**
 * Decodes the frames of a video file one after the other with FFmpeg. It must be closed, and is not
 * thread-safe.
 *
 * <p>Files are not trusted. Whatever their name or content, FFmpeg opens only this file, only as
 * one of the formats below, and no frames of more than 100 megapixels.
 */
final class VideoFile implements AutoCloseable {
  /** Playlists are not among the formats, because they name other files and addresses. */
  private static final String FORMATS =
      "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,flv,asf,ogg,gif,mjpeg,m4v,mxf";

  private static final String NOT_OPENED =
      "cannot be opened as a video; it is something else, or cut off";

  private static final String UNDECODABLE = "it cannot be decoded";

  private static final int REASON_BYTES = 128;

  /**
   * How much shorter a file may be than its header says, in seconds and as a fraction, because
   * writers round and sum in different ways.
   */
  private static final double SLACK = 0.5;

  private static final double SLACK_SHARE = 0.05;

  /** The largest block of memory that FFmpeg takes; a frame of 100 megapixels needs 800 MB. */
  private static final long LARGEST_BLOCK = 1L << 30;

  static {
    av_log_set_level(AV_LOG_QUIET); // faults are reported by exceptions
    av_max_alloc(LARGEST_BLOCK);
  }

  private AVFormatContext format;
  private AVCodecContext codec;
  private AVPacket packet;
  private AVFrame frame;
  private AVFrame rgb;
  private SwsContext converter;
  private final AVStream stream;
  private final boolean seekable;
  private boolean draining;
  private boolean begun;
  private int early; // the first error before a frame, or 0
  private long packets;
  private double end; // the time of the last packet, video or audio, in seconds

  /**
   * Opens a file.
   *
   * @throws UnreadableImageException if it is not a video or its codec is unknown; the message is
   *     the reason
   */
  VideoFile(Path path) throws UnreadableImageException {
    if (path.toFile().length() == 0) {
      throw new UnreadableImageException("is empty");
    }
    Mp4Samples.check(path);
    boolean open = false;
    try {
      format = avformat_alloc_context();
      av_opt_set(format, "protocol_whitelist", "file", 0);
      av_opt_set(format, "format_whitelist", FORMATS, 0);
      try (BytePointer url = new BytePointer("file:" + path, StandardCharsets.UTF_8)) {
        // on failure it frees the context and sets it to null
        require(avformat_open_input(format, url, null, (AVDictionary) null), NOT_OPENED);
      }
      require(avformat_find_stream_info(format, (AVDictionary) null), NOT_OPENED);
      stream = format.streams(videoStream());
      long width = stream.codecpar().width();
      long height = stream.codecpar().height();
      if (width * height > Images.MAX_PIXELS) {
        throw new UnreadableImageException(
            String.format(
                "frames of %d x %d pixels, more than %d megapixels",
                width, height, Images.MAX_PIXELS / 1_000_000));
      }
      AVCodec decoder = avcodec_find_decoder(stream.codecpar().codec_id());
      if (decoder == null || decoder.isNull()) {
        throw new UnreadableImageException("there is no decoder for its codec, " + codecName());
      }
      codec = avcodec_alloc_context3(decoder);
      require(avcodec_parameters_to_context(codec, stream.codecpar()), "cannot be decoded");
      codec.pkt_timebase(stream.time_base());
      codec.max_pixels(Images.MAX_PIXELS); // also if the size changes later
      codec.thread_count(1); // several videos are read in parallel
      require(avcodec_open2(codec, decoder, (AVDictionary) null), "cannot be decoded");
      packet = av_packet_alloc();
      frame = av_frame_alloc();
      rgb = av_frame_alloc();
      converter = sws_alloc_context();
      converter.flags(SWS_BICUBIC);
      seekable = isSeekable();
      open = true;
    } finally {
      if (!open) {
        close();
      }
    }
  }

  private int videoStream() throws UnreadableImageException {
    int found = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, (AVCodec) null, 0);
    if (found >= 0 && (format.streams(found).disposition() & AV_DISPOSITION_ATTACHED_PIC) == 0) {
      return found;
    }
    boolean sound = av_find_best_stream(format, AVMEDIA_TYPE_AUDIO, -1, -1, (AVCodec) null, 0) >= 0;
    throw new UnreadableImageException(
        sound ? "has no video stream, only sound" : "has no video stream");
  }

  private String codecName() {
    return avcodec_get_name(stream.codecpar().codec_id()).getString();
  }

  /**
   * Containers in which a frame can be decoded without all frames before it and can be identified
   * by its time. Other containers have no index of their key frames.
   */
  private boolean isSeekable() {
    String name = format.iformat().name().getString();
    int properties = avcodec_descriptor_get(stream.codecpar().codec_id()).props();
    return name.startsWith("mov")
        || name.startsWith("matroska")
        || (properties & AV_CODEC_PROP_INTRA_ONLY) != 0;
  }

  /** Decodes the next frame. Returns false at the end of the file. */
  boolean next() throws UnreadableImageException {
    while (true) {
      int status = avcodec_receive_frame(codec, frame);
      if (status == 0) {
        if (begun && (frame.decode_error_flags() != 0 || isCorrupt())) {
          throw new UnreadableImageException("the frame is damaged");
        }
        begun = true;
        return true;
      }
      if (status == AVERROR_EOF) {
        if (!begun) {
          require(early, UNDECODABLE);
        }
        return false;
      }
      if (status != AVERROR_EAGAIN()) {
        fail(status);
      }
      feed();
    }
  }

  private boolean isCorrupt() {
    return (frame.flags() & AVFrame.AV_FRAME_FLAG_CORRUPT) != 0;
  }

  /** Passes the next packet of the file to the decoder. */
  private void feed() throws UnreadableImageException {
    if (draining) {
      return;
    }
    int status = av_read_frame(format, packet);
    try {
      if (status == AVERROR_EOF) {
        draining = true;
        fail(avcodec_send_packet(codec, null));
        return;
      }
      require(status, "the file is cut off or damaged");
      end = Math.max(end, packetEnd());
      if (packet.stream_index() == stream.index()) {
        packets++;
        fail(avcodec_send_packet(codec, packet));
      }
    } finally {
      av_packet_unref(packet);
    }
  }

  private double packetEnd() {
    double tick = seconds(format.streams(packet.stream_index()).time_base());
    return packet.pts() == AV_NOPTS_VALUE ? 0 : (packet.pts() + packet.duration()) * tick;
  }

  private static double seconds(AVRational timeBase) {
    return (double) timeBase.num() / timeBase.den();
  }

  /**
   * A recording may begin inside a group of frames, whose first frames no player can show. Later
   * errors are faults, and so are errors after which no frame follows.
   */
  private void fail(int status) throws UnreadableImageException {
    if (begun || draining) {
      require(status, UNDECODABLE);
    }
    early = early == 0 ? Math.min(0, status) : early;
  }

  private static void require(int status, String what) throws UnreadableImageException {
    if (status < 0) {
      byte[] text = new byte[REASON_BYTES];
      av_strerror(status, text, text.length);
      String reason = new String(text, StandardCharsets.UTF_8);
      throw new UnreadableImageException(
          what + " (" + reason.substring(0, reason.indexOf('\0')) + ")");
    }
  }

  /**
   * The time of the frame in units of {@link #secondsPerTick}; {@code AV_NOPTS_VALUE} if it is
   * unknown.
   */
  long timestamp() {
    return frame.best_effort_timestamp();
  }

  /** The duration of the frame in the same units; 0 if it is unknown. */
  long duration() {
    return frame.duration();
  }

  double secondsPerTick() {
    return seconds(stream.time_base());
  }

  /** The average frame rate; 0 if it is unknown. */
  double framesPerSecond() {
    AVRational rate = stream.avg_frame_rate();
    return rate.den() == 0 ? 0 : seconds(rate);
  }

  /** The number of frames that the file declares; 0 if it declares none. */
  long declaredFrames() {
    return stream.nb_frames();
  }

  /**
   * Whether the file ended before its declared number of frames, or, if video and audio both end
   * early, before its declared duration.
   */
  boolean isCutOff() {
    if (packets < declaredFrames()) {
      return true;
    }
    boolean said =
        format.duration() > 0 && format.duration_estimation_method() != AVFMT_DURATION_FROM_BITRATE;
    double start = format.start_time() == AV_NOPTS_VALUE ? 0 : format.start_time();
    double declared = (start + format.duration()) / AV_TIME_BASE;
    return said && end > 0 && declared - end > Math.max(SLACK, SLACK_SHARE * declared);
  }

  /** Whether {@link #seek} is possible. */
  boolean isTimed() {
    return seekable && frame.pts() != AV_NOPTS_VALUE;
  }

  /** Seeks, so that the next frames begin shortly before a time. Returns false if this fails. */
  boolean seek(long timestamp) {
    if (!seekable || av_seek_frame(format, stream.index(), timestamp, AVSEEK_FLAG_BACKWARD) < 0) {
      return false;
    }
    avcodec_flush_buffers(codec);
    draining = false;
    begun = false;
    early = 0;
    return true;
  }

  /**
   * Returns the frame with the rotation of the file applied.
   *
   * @return the bytes in RGB or greyscale, which are valid until the next call of a method of this
   *     object
   */
  Mat picture(int channels) throws UnreadableImageException {
    av_frame_unref(rgb);
    rgb.format(AV_PIX_FMT_RGB24);
    rgb.width(frame.width());
    rgb.height(frame.height());
    require(sws_scale_frame(converter, rgb, frame), "the frame cannot be converted");
    Mat picture =
        upright(new Mat(rgb.height(), rgb.width(), CV_8UC3, rgb.data(0), rgb.linesize(0)));
    if (channels == 1) {
      Mat grey = new Mat();
      cvtColor(picture, grey, COLOR_RGB2GRAY);
      return grey;
    }
    return picture;
  }

  /**
   * Rotates by multiples of 90 degrees and mirrors. The matrix maps stored columns and rows to
   * displayed ones.
   */
  private Mat upright(Mat stored) {
    AVFrameSideData data = av_frame_get_side_data(frame, AV_FRAME_DATA_DISPLAYMATRIX);
    if (data == null || data.isNull()) {
      return stored;
    }
    IntPointer matrix = new IntPointer(data.data());
    int columnByColumn = matrix.get(0);
    int rowByColumn = matrix.get(1);
    int columnByRow = matrix.get(3);
    int rowByRow = matrix.get(4);
    Mat picture = stored;
    boolean swaps = columnByColumn == 0 && rowByRow == 0;
    if (swaps) {
      picture = new Mat();
      transpose(stored, picture);
    }
    boolean mirrored = (swaps ? columnByRow : columnByColumn) < 0;
    boolean upsideDown = (swaps ? rowByColumn : rowByRow) < 0;
    if (mirrored || upsideDown) {
      Mat flipped = new Mat();
      flip(picture, flipped, mirrored && upsideDown ? -1 : mirrored ? 1 : 0);
      return flipped;
    }
    return picture;
  }

  @Override
  // objects that were not created are null, which FFmpeg's functions would dereference
  public void close() {
    sws_freeContext(converter);
    converter = null;
    free(rgb, avutil::av_frame_free);
    free(frame, avutil::av_frame_free);
    free(packet, avcodec::av_packet_free);
    free(codec, avcodec::avcodec_free_context);
    free(format, avformat::avformat_close_input);
  }

  private static <P extends Pointer> void free(P pointer, Consumer<P> free) {
    if (pointer != null && !pointer.isNull()) {
      free.accept(pointer); // sets its address to null
    }
  }
}
