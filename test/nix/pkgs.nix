# A double of nixpkgs: small packages built by this computer's own programs. Each is a real derivation that Nix builds, and
# mkfs.erofs, veritysetup, cpio and zstd are the real programs.
{ lib, tools ? "/usr/sbin:/usr/bin:/sbin:/bin" }:
let
  derivationOf = name: attrs: script: derivation ({
    inherit name;
    system = builtins.currentSystem or "x86_64-linux";
    builder = "/bin/sh";
    PATH = tools;
    LC_ALL = "C";
    args = [ "-c" script ];
  } // attrs) // { pname = name; };
  runCommand = name: attrs: derivationOf name (builtins.removeAttrs attrs [ "nativeBuildInputs" ]);
  programs = name: names: runCommand name { inherit names; }
    "mkdir -p $out/bin; for name in $names; do printf '#!/bin/sh\n' >$out/bin/$name; chmod 755 $out/bin/$name; done; exit 0";
  program = name: programs name [ name ];
  copyOf = name: runCommand name { } "mkdir -p $out/bin; cp $(command -v ${name}) $out/bin/; exit 0";
  callPackage = path: overrides:
    let f = import path; in
    f (builtins.intersectAttrs (builtins.functionArgs f) pkgs // overrides);
  pkgs = {
    inherit runCommand callPackage lib;
    boards = lib.importJSON ../../nix/boards.json;
    systemd = runCommand "systemd" { } ''
      mkdir -p $out/lib/systemd/boot
      for name in systemd systemd-sysctl; do cp /bin/true $out/lib/systemd/$name; done
      cp -r /usr/lib/systemd/boot/efi $out/lib/systemd/boot/efi
      exit 0
    '';
    nodejs-slim_24 = runCommand "nodejs-slim" { } "mkdir -p $out/bin; echo node >$out/bin/node; chmod 755 $out/bin/node; exit 0";
    linuxPackages.kernel = runCommand "linux" { file = "bzImage"; } "mkdir -p $out; echo kernel >$out/bzImage; exit 0";
    linux-firmware = program "linux-firmware";
    coreutils = programs "coreutils" [ "rm" "stty" ];
    dosfstools = programs "dosfstools" [ "fsck.vfat" ];
    linuxPackagesFor = kernel: { inherit kernel; };
    symlinkJoin = { name, paths }: runCommand name { inherit paths; } "mkdir -p $out; cp -rs $paths/. $out/; exit 0";
    pkgsStatic.busybox = copyOf "busybox";
    lvm2 = copyOf "dmsetup";
    raspberrypifw = runCommand "raspberrypifw" { } ''
      boot=$out/share/raspberrypi/boot; mkdir -p $boot
      for name in bootcode.bin start.elf fixup.dat start4.elf fixup4.dat; do echo $name >$boot/$name; done; exit 0
    '';
    # Same layout as NixOS's etc.nix: links, and files that state the mode and owner of an entry that must be a file.
    etcOf = entries: runCommand "etc"
      {
        files = lib.mapAttrsToList
          (name: entry: "${name}=${if entry.text != null then builtins.toFile (builtins.replaceStrings [ "/" ] [ "-" ] name) entry.text else "${entry.source}"}")
          entries;
      } ''
      for file in $files; do
        name=''${file%%=*}
        mkdir -p "$(dirname "$out/etc/$name")" && ln -s "''${file#*=}" "$out/etc/$name"
      done
      printf 'root:x:0:0::/root:/bin/sh\nhamlet:x:990:990::/:/bin/sh\n' >$out/users
      for name in passwd:0644 shadow:0000; do
        ln -s $out/users $out/etc/''${name%:*}
        echo ''${name#*:} >$out/etc/''${name%:*}.mode; echo +0 >$out/etc/''${name%:*}.uid; echo +0 >$out/etc/''${name%:*}.gid
      done
      exit 0
    '';
    pathOf = packages: runCommand "system-path" { packages = packages ++ [ (program "sh") (program "e2fsck") (programs "gtk+-3.24.1" [ "gtk" ]) ]; } ''
      mkdir -p $out/bin
      for package in $packages; do ln -s $package/bin/* $out/bin/; done
      exit 0
    '';
    testers.runNixOSTest = test: runCommand "vm-test-${test.name}" { script = test.testScript; nodes = builtins.attrNames test.nodes; } "exit 0";
    stdenv.hostPlatform.isLinux = true;
    mkShellNoCC = { packages }: runCommand "shell" { inherit packages; } "exit 0";
    makeModulesClosure = { rootModules, ... }: runCommand "modules" { inherit rootModules; } ''
      mkdir -p $out/lib/modules/6.0 $out/lib/firmware
      echo one >$out/lib/modules/6.0/dm-mod.ko
      echo two | xz >$out/lib/modules/6.0/erofs.ko.xz
      for file in dm-mod.ko erofs.ko.xz; do echo $out/lib/modules/6.0/$file >>$out/insmod-list; done
      exit 0
    '';
    makeInitrdNG = { name, contents, ... }: runCommand name { inherit (builtins.head contents) source target; } ''
      mkdir -p root/bin $out && cp $source root/$target && cd root
      find . -exec touch -h -d @1 {} +
      find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible | zstd -q >$out/initrd; exit 0
    '';
  } // lib.genAttrs
    [ "cpio" "cryptsetup" "dosfstools" "mtools" "nixfmt-tree" "nodejs_24" "qemu" "e2fsprogs" "erofs-utils" "ethtool" "iproute2" "iw" "nftables" "openssh" "util-linux" "wireguard-go" "wireguard-tools" "wpa_supplicant" "xz" "zstd" ]
    program;
in
pkgs
