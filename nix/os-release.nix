# A release's name and version, in the form that the boot loader shows and sorts.
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
