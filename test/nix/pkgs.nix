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
  runCommand = name: attrs: derivationOf name (builtins.removeAttrs attrs [ "nativeBuildInputs" ] // {
    PATH = lib.concatMapStringsSep "" (package: lib.optionalString (package ? isTool) "${package}/bin:") (attrs.nativeBuildInputs or [ ]) + tools;
  });
  # `provides`: what it has in bin.
  programs = name: names: runCommand name { inherit names; }
    "mkdir -p $out/bin; for name in $names; do printf '#!/bin/sh\n' >$out/bin/$name; chmod 755 $out/bin/$name; done; exit 0"
    // { provides = names; };
  program = name: programs name [ name ];
  copyOf = name: runCommand name { } "mkdir -p $out/bin; cp $(command -v ${name}) $out/bin/; exit 0";
  callPackage = path: overrides:
    let f = import path; in
    f (builtins.intersectAttrs (builtins.functionArgs f) pkgs // overrides);
  pkgs = {
    inherit runCommand callPackage lib pkgs;
    boards = lib.importJSON ../../nix/boards.json;
    systemd = runCommand "systemd" { } ''
      mkdir -p $out/lib/systemd/boot
      for name in systemd systemd-sysctl; do cp /bin/true $out/lib/systemd/$name; done
      cp -r /usr/lib/systemd/boot/efi $out/lib/systemd/boot/efi
      mkdir -p $out/bin
      exit 0
    '' // { provides = [ "systemctl" "journalctl" "networkctl" "udevadm" ]; };
    nodejs-slim_24 = runCommand "nodejs-slim" { } "mkdir -p $out/bin; echo node >$out/bin/node; chmod 755 $out/bin/node; exit 0";
    linuxPackages.kernel = runCommand "linux" { file = "bzImage"; } "mkdir -p $out; echo kernel >$out/bzImage; exit 0";
    # Only an older version of what the driver asks for, with its companion; links and compressed files; and others' firmware.
    linux-firmware = runCommand "linux-firmware" { } ''
      mkdir -p $out/lib/firmware/brcm $out/lib/firmware/rtl_nic $out/lib/firmware/real && cd $out/lib/firmware
      for name in iwlwifi-ty-a0-gf-a0-77.ucode.zst iwlwifi-ty-a0-gf-a0-9.ucode.zst iwlwifi-ty-a0-gf-a0-90.ucode.zst; do echo $name >$name; done
      for name in iwlwifi-ty-a0-gf-a0.pnvm.zst iwlwifi-cc-a0-60.ucode brcm/brcmfmac43455-sdio.bin brcm/brcmfmac4356-pcie.bin; do echo $name >$name; done
      echo real >real/rtl.fw && ln -s ../real/rtl.fw rtl_nic/rtl8168g-2.fw
      exit 0
    '';
    kmod = runCommand "kmod" { asked = [ "iwlwifi-ty-a0-gf-a0-89.ucode" "rtl_nic/rtl8168g-2.fw" "brcm/brcmfmac4356-pcie.bin" "absent.bin" ]; } ''
      mkdir -p $out/bin && { echo '#!/bin/sh'; for name in $asked; do echo "echo $name"; done; } >$out/bin/modinfo && chmod 755 $out/bin/modinfo
      exit 0
    '' // { isTool = true; };
    dosfstools = programs "dosfstools" [ "fsck.vfat" ];
    linuxPackagesFor = kernel: { inherit kernel; };
    symlinkJoin = { name, paths }: runCommand name { inherit paths; } "mkdir -p $out; cp -rs $paths/. $out/; exit 0";
    pkgsStatic.busybox = copyOf "busybox";
    lvm2 = copyOf "dmsetup";
    # Debian's, with the option of newer versions, which is then asked for.
    erofs-utils = runCommand "erofs-utils" { } ''
      mkdir -p $out/bin && cat >$out/bin/mkfs.erofs <<'END'
      #!/bin/sh
      real=/usr/bin/mkfs.erofs
      [ "$1" != --help ] || { $real --help 2>&1; echo " -b#                   set block size to #"; exit; }
      [ "$2" = -b4096 ] || { echo "no block size" >&2; exit 1; }
      one=$1; shift 2
      exec $real "$one" "$@"
      END
      sed -i 's/^      //' $out/bin/mkfs.erofs && chmod 755 $out/bin/mkfs.erofs
      exit 0
    '' // { isTool = true; };
    raspberrypifw = runCommand "raspberrypifw" { } ''
      boot=$out/share/raspberrypi/boot; mkdir -p $boot
      for name in bootcode.bin start.elf fixup.dat start4.elf fixup4.dat; do echo $name >$boot/$name; done; exit 0
    '';
    # Same layout as NixOS's etc.nix: links, and files that state the mode and owner of an entry that must be a file.
    etcOf = all: users: groups:
      let
        entries = lib.filterAttrs (_: entry: entry.enable) all;
        # Like userborn: an account without a password is locked, and whoever has no id gets the next one below 1000.
        idsOf = accounts: key: lib.listToAttrs (builtins.genList
          (index: let name = builtins.elemAt (attrNames accounts) index; in lib.nameValuePair name (if accounts.${name}.${key} != null then accounts.${name}.${key} else 999 - index))
          (builtins.length (attrNames accounts)));
        uids = idsOf users "uid";
        gids = idsOf groups "gid";
        inherit (builtins) attrNames toFile;
        linesOf = f: accounts: lib.concatMapStringsSep "" (name: f name + "\n") (attrNames accounts);
        sourceOf = path: entry:
          let name = builtins.replaceStrings [ "/" ] [ "-" ] path; in
          if entry.text == null then "${entry.source}"
          # Quicker, but it may refer to no package.
          else if !builtins.hasContext entry.text then toFile name entry.text
          else "${runCommand name { inherit (entry) text; } "printf %s \"$text\" >$out; exit 0"}";
      in
      runCommand "etc"
        {
          files = lib.mapAttrsToList (name: entry: "${name}=${sourceOf name entry}=${entry.mode}=${entry.user}") entries;
          passwd = linesOf (name: "${name}:x:${toString uids.${name}}:${toString uids.${name}}::/:/bin/sh") users;
          group = linesOf (name: "${name}:x:${toString gids.${name}}:") groups;
          shadow = linesOf (name: "${name}:${if users.${name}.hashedPassword == null then "!*" else users.${name}.hashedPassword}:1::::::") users;
        } ''
        put() { # name, source, mode, owner
          mkdir -p "$(dirname "$out/etc/$1")" && ln -s "$2" "$out/etc/$1"
          [ "$3" = symlink ] || { echo "$3" >"$out/etc/$1.mode"; echo "$4" >"$out/etc/$1.uid"; echo "$4" >"$out/etc/$1.gid"; }
        }
        for file in $files; do
          name=''${file%%=*} rest=''${file#*=} source=''${rest%%=*} rest=''${rest#*=}
          put "$name" "$source" "''${rest%%=*}" "''${rest#*=}"
        done
        mkdir $out/users
        for name in passwd:0644 group:0644 shadow:0000; do
          eval "printf %s \"\$''${name%:*}\"" >$out/users/''${name%:*}
          put ''${name%:*} $out/users/''${name%:*} ''${name#*:} +0
        done
        exit 0
      '';
    # Not what NixOS adds itself: what a device needs must be asked for.
    pathOf = packages:
      let all = packages ++ [ (programs "gtk+-3.24.1" [ "gtk" ]) ]; in
      runCommand "system-path" { packages = all; } ''
        mkdir -p $out/bin
        for package in $packages; do for file in $package/bin/*; do [ ! -e "$file" ] || ln -sf $file $out/bin/; done; done
        exit 0
      '' // { provides = lib.concatMap (package: package.provides or [ ]) all; };
    # Evaluates the machines, as the real one does.
    testers.runNixOSTest = test:
      let
        machineOf = node: (lib.evalModules {
          specialArgs = { inherit pkgs; modulesPath = ./nixos; };
          modules = [ ./nixos.nix ./nixos-recent.nix (test.defaults or { }) node ];
        }).config;
        machines = builtins.mapAttrs (_: machineOf) test.nodes;
      in
      runCommand "vm-test-${test.name}" { script = test.testScript; nodes = builtins.attrNames test.nodes; } "exit 0"
      // { inherit machines; inherit (test) testScript; };
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
  } // builtins.mapAttrs programs {
    bash = [ "sh" "bash" ];
    coreutils = [ "basename" "cat" "cp" "dd" "df" "mkdir" "mv" "readlink" "rm" "sha256sum" "stty" "sync" "tail" "touch" "tr" "uname" "wc" ];
    e2fsprogs = [ "e2fsck" "resize2fs" ];
    gnugrep = [ "grep" ];
    gnused = [ "sed" ];
    iproute2 = [ "ip" ];
    nftables = [ "nft" ];
    openssh = [ "sshd" "ssh-keygen" ];
    util-linux = [ "ionice" "lsblk" "partx" "prlimit" "setpriv" "sfdisk" ];
    wireguard-tools = [ "wg" ];
    wpa_supplicant = [ "wpa_supplicant" ];
  } // lib.genAttrs
    [ "cpio" "cryptsetup" "mtools" "nixfmt-tree" "nodejs_24" "qemu" "ethtool" "iw" "wireguard-go" "xz" "zstd" ]
    program;
in
pkgs
