# Name and version of a release, as the boot loader shows and sorts them.
{ board, version }:
''
  NAME="Hamlet"
  ID=hamlet
  ID_LIKE=nixos
  PRETTY_NAME="Hamlet ${version}"
  VERSION_ID=${version}
  IMAGE_ID=hamlet-${board}
  IMAGE_VERSION=${version}
''
