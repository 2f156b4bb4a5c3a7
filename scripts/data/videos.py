"""Small videos by FFmpeg, and what the same FFmpeg decodes of them, for VideoGoldenTest.

    apt-get install ffmpeg
    python3 scripts/data/videos.py data/src/test/resources/videos

Of each frame videos.json has its time in seconds, the mean of red, green and blue, and the colours
of some pixels, as ffmpeg writes them with -pix_fmt rgb24: turned as the file says. The files here
are by Debian's ffmpeg 5.1; other versions encode to other bytes, and then videos.json changes too.
"""

import json
import struct
import subprocess
import sys
from pathlib import Path

OUT = Path(sys.argv[1])
made = []  # the names of the videos
POINTS = [(0.05, 0.05), (0.5, 0.5), (0.7, 0.9)]  # columns and rows, 0 to 1

# It moves, so that no two frames are alike; it is soft, because versions convert sharp edges of
# colour differently.
SOURCE = "testsrc2=size={}:rate=10:duration={},gblur=sigma=2"
H264 = "-c:v libx264 -pix_fmt yuv420p -crf 30 -bf 2"

# The linear part of a track's matrix: columns and rows of what is stored, to those that are shown.
MATRICES = {
    "turned-90": (0, 1, -1, 0),
    "turned-180": (-1, 0, 0, -1),
    "turned-270": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "mirrored-turned": (0, 1, 1, 0),
}


def run(program, *parts):
    """The program's output. Texts are split at their spaces, paths are not."""
    arguments = [[str(part)] if isinstance(part, Path) else part.split() for part in parts]
    command = [program, "-v", "error", *sum(arguments, [])]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def make(name, options, size="64x48", seconds=2, more=""):
    source = f"-y -f lavfi -i {SOURCE.format(size, seconds)}"
    exact = "-fflags +bitexact -flags:v +bitexact -threads 1"
    run("ffmpeg", source, more, options, exact, OUT / name)
    made.append(name)


def turned(name, matrix):
    """A copy of the smallest file whose track has another matrix."""
    data = bytearray((OUT / "small.mp4").read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (OUT / name).write_bytes(data)
    made.append(name)


def expected(name):
    probe = json.loads(
        run("ffprobe", "-select_streams v:0 -show_frames -show_streams -of json", OUT / name)
    )
    rate = [int(number) for number in probe["streams"][0]["avg_frame_rate"].split("/")]
    times = [float(frame.get("best_effort_timestamp_time", "nan")) for frame in probe["frames"]]
    if any(time != time for time in times):  # of B-frames in AVI; a player goes by the rate
        times = [i * rate[1] / rate[0] for i in range(len(times))]
    decoded = "-map 0:v:0 -vsync passthrough -f image2pipe -c:v ppm -pix_fmt rgb24"
    ppm = run("ffmpeg", "-i", OUT / name, decoded, "-")
    frames = []
    at = 0
    while at < len(ppm):
        header = ppm[at:].split(b"\n", 3)[:3]
        width, height = (int(number) for number in header[1].split())
        at += sum(len(line) + 1 for line in header)
        rgb = ppm[at : at + 3 * width * height]
        at += len(rgb)
        pixels = []
        for x, y in POINTS:
            column, row = int(x * width), int(y * height)
            first = 3 * (row * width + column)
            pixels.append([column, row, *rgb[first : first + 3]])
        means = [round(sum(rgb[channel::3]) / (width * height), 3) for channel in range(3)]
        frames.append(
            {"time": round(times[len(frames)] - times[0], 6), "mean": means, "pixels": pixels}
        )
    assert len(frames) == len(times), name
    return {"width": width, "height": height, "frames": frames}


def main():
    sound = "-f lavfi -i sine=duration=2"
    bt709 = "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv"
    x265 = "-x265-params log-level=error:keyint=8:pools=1"
    vary = "select='not(mod(n,3))+eq(n,1)+gte(n,14)'"
    make("h264.mp4", H264 + " -g 8 -c:a aac -b:a 16k -shortest", more=sound)
    make("h264.mkv", H264 + " -g 8 -x264-params open-gop=1", seconds=7)
    make("h264-bt709.mov", f"{H264} -g 8 {bt709}", seconds=1)
    make("h264-10bit.mkv", "-c:v libx264 -pix_fmt yuv420p10le -crf 30", seconds=1)
    make("hevc.mp4", f"-c:v libx265 -pix_fmt yuv420p -crf 35 -tag:v hvc1 {x265}", seconds=7)
    make("vp8.webm", "-c:v libvpx -b:v 60k -g 8", seconds=1)
    make("vp9-odd.webm", "-vf scale=51:37 -c:v libvpx-vp9 -b:v 60k -g 8")
    make("av1.webm", "-c:v libaom-av1 -cpu-used 8 -crf 50 -b:v 0 -g 8", seconds=1)
    make("mpeg4.avi", "-c:v mpeg4 -q:v 8 -bf 2 -g 8")
    make("mjpeg.avi", "-c:v mjpeg -pix_fmt yuvj420p -q:v 12", seconds=1)
    make("animation.gif", "", size="32x24", seconds=1)
    make("varying-rate.mp4", f"-vf {vary} -vsync vfr {H264}")
    make("small.mp4", H264, size="32x24", seconds=0.4)
    for name, matrix in MATRICES.items():
        turned(name + ".mp4", matrix)
    videos = {name: expected(name) for name in sorted(made)}
    run("ffmpeg", "-y", sound, "-c:a aac -b:a 16k -fflags +bitexact", OUT / "sound.mp4")
    lines = ",\n".join(
        f" {json.dumps(name)}: {json.dumps(video, separators=(',', ':'))}"
        for name, video in videos.items()
    )
    (OUT / "videos.json").write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
