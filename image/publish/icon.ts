// The icon that Raspberry Pi Imager shows beside our images: a house, 40 by 40 pixels, PNG. As text, so that the program stays one file.
const base64 = [
  "iVBORw0KGgoAAAANSUhEUgAAACgAAAAoAgMAAADxkFD+AAAADFBMVEUvb08/j2f0yV3///+VjIcaAAAABHRSTlP///8AQCqp",
  "9AAAAF5JREFUeNrF0EENgDAMRuGXVMAkVQUmMIEeXEzSBIzAupaeCRx4py/pnx3GmfGBXZOtJKvc7KDBBiVYQYKMnN2ok81Y",
  "JsEX+N0W+N0W2FOWDBINHstse8h1/4Ovfv0C5RwTGlmgNLkAAAAASUVORK5CYII=",
];

export const icon = (): Buffer => Buffer.from(base64.join(""), "base64");
