#!/bin/sh
# Writes the completions of the shells and the manual pages: manual.sh JAVA CLASSPATH FOLDER
set -eu
folder=$3
fovea() { "$java" -cp "$classpath" io.fovea.app.Fovea "$@"; }
java=$1 classpath=$2

mkdir -p "$folder/bash-completion/completions" "$folder/zsh/site-functions" "$folder/fish/vendor_completions.d" "$folder/man/man1"
fovea completion bash >"$folder/bash-completion/completions/fovea"
# picocli's script is for bash and zsh; zsh finds it by its first line
{ echo '#compdef fovea'; fovea completion zsh; } >"$folder/zsh/site-functions/_fovea"
fovea completion fish >"$folder/fish/vendor_completions.d/fovea.fish"

# The first sentence of a help text, which stands after the usage.
purpose() {
  awk '/^Usage/ { next } /^ / && !text { next } { text = text (text ? " " : "") $0 }
    match(text, /[.:]( |$)/) { print substr(text, 1, RSTART - 1); exit }'
}

# One page a command, with its help as it stands.
page() {
  name=$1
  shift
  {
    printf '.TH "%s" "1" "" "Fovea %s" "Fovea"\n.SH NAME\n%s \\- ' "$name" "$version" "$name"
    fovea "$@" | purpose
    printf '.SH SYNOPSIS\n.nf\n'
    fovea "$@" | sed 's/\\/\\\\/g; s/^\([.'"'"']\)/\\\&\1/; s/-/\\-/g'
    printf '.fi\n'
  } >"$folder/man/man1/$name.1"
}
version=$(fovea --version | sed 's/fovea //')
page fovea --help
for command in $(fovea completion fish | sed -n 's/.*__fish_use_subcommand -a \([a-z]*\).*/\1/p'); do
  if [ "$command" != help ]; then page "fovea-$command" "$command" --help; fi
done
