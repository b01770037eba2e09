//! Commands that prompts mention as code without meaning a tool of the agent.

use std::sync::OnceLock;

use rustc_hash::FxHashSet;

/// Whether a word is a command that many machines have.
pub(super) fn is_usual(word: &str) -> bool {
    static WORDS: OnceLock<FxHashSet<&'static str>> = OnceLock::new();
    WORDS.get_or_init(|| USUAL.split_ascii_whitespace().collect()).contains(word)
}

const USUAL: &str = "\
    7z ab ack act adduser ag alias ansible apk apropos apt apt-get aptitude ar arp as awk aws az bandit banner \
    base32 base64 basename bash bat batcat bazel bc bison black blkid brew bun bunzip2 bzip2 c++ cal cargo cat \
    cc ccache cd certbot chgrp chmod chown chroot chrt cksum clang clang++ clang-format clang-tidy clear clippy cmake \
    cmp column comm composer conda cp cpan cpio cpp cron crontab cscope cscript csplit ctags curl cut dash date dd \
    deno df diff dig dir dircolors direnv dirname dmesg dnf docker docker-compose dos2unix dotnet dpkg du dvc echo \
    ed egrep elixir emacs entr env envsubst eslint ethtool eval exa exec exit export expr eza fallocate false fd \
    fdisk ffmpeg ffprobe fgrep file find fish flake8 flex flock fmt fold free fsck ftp fuser fzf g++ gawk gcc \
    gcloud gdb gem getconf getent getopt gh ghc git glab go gofmt golangci-lint golint gopls gpg gprof gradle grep \
    groff groupadd groups gsutil gtar gunzip gzip hadolint hash hatch hdparm head helm help hexdump hg hostname \
    hostnamectl htop http hub hyperfine iconv id ifconfig ifdown ifup imagemagick info init insmod install iostat \
    iotop ip iptables ipython isort jar java javac jekyll jest jobs join journalctl jq jupyter just kill killall \
    kubectl kustomize ld ldconfig ldd less let lftp link lld ln locale locate logger login logrotate look losetup \
    ls lsattr lsb_release lsblk lscpu lsmod lsof lspci lsusb ltrace lua luajit lz4 lzma m4 make man mapfile mawk \
    md5sum meson mkdir mkfifo mkfs mktemp mlr mocha modprobe mongo mongosh more mount mpirun mtr mv mvn mvnw mypy mysql \
    mysqldump nano nasm nc ncat ncdu neofetch netstat nice ninja nl nm nmap node nodemon nohup nologin nox npm \
    nproc npx nslookup nvcc nvidia-smi objcopy objdump od opam open openssl optipng pandoc parallel parted passwd \
    paste patch pathchk pdflatex pdftotext perl pgrep php pidof ping pip pip3 pipenv pipx pkg pkg-config pkill \
    pmap pnpm podman podman-compose poetry popd pr pre-commit prettier printenv printf procs ps psql ptx pushd pwd \
    pwsh pyenv pylint pyright pytest python python2 python3 r2 radare2 ranlib rar rbenv rclone read readarray \
    readelf readlink realpath reboot redis-cli renice reset rev rg ripgrep rlwrap rm rmdir route rpm rsync ruby \
    ruff rust-analyzer rustc rustdoc rustfmt rustup sar sbt scala scons scp screen sdiff sed semgrep seq service \
    set setfacl sfdisk sftp sh sha1sum sha256sum sha512sum shellcheck shfmt shred shuf shutdown size skopeo sleep \
    snap socat sort source split sqlite sqlite3 ss ssh ssh-keygen sshd sshfs stat stdbuf strace strings strip stty \
    su sudo sum svn swift swiftc sync sysctl systemctl tac tail tar tcpdump tcsh tee terraform test tex tftp tig \
    time timeout tmpwatch tmux tokei top touch tox tput tr traceroute trap tree trivy true truncate tsc tshark \
    tsort tsserver tty twine type typos ulimit umask unalias uname unexpand uniq units unlink unrar unset unxz \
    unzip update-alternatives uptime useradd usermod users uv vagrant valgrind vdir vi vim virtualenv visudo vite \
    vitest vmstat wait wall wasm-opt wasm-pack watch watchexec wc webpack wget whatis whereis which whiptail who \
    whoami whois wine xargs xclip xcodebuild xdg-open xmllint xsltproc xxd xz yacc yamllint yarn yes yq yum zcat \
    zgrep zig zip zless zsh zstd zypper";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole() {
        assert!(["grep", "gh", "sqlite", "zsh"].into_iter().all(is_usual));
        assert!(!is_usual("gre") && !is_usual(""));
    }
}
