#!/bin/sh
# A script's pictures into ffmpeg, the source's sound and subtitles beside them, for encoders that vsfdat has not.
# sh 06_pipe_to_ffmpeg.sh INPUT OUTPUT.mkv [SCRIPT.vpy]
set -eu
input=$1 output=$2 script=${3:-$(dirname "$0")/01_anime_dvd.vpy}

# y4m tells ffmpeg neither matrix nor range; both are what the scripts' last line makes.
vspipe -c y4m -a source="$input" "$script" - |
    ffmpeg -i - -i "$input" -map 0:v -map '1:a?' -map '1:s?' -c copy \
        -c:v libx265 -preset slow -crf 18 -colorspace bt709 -color_range tv "$output"
