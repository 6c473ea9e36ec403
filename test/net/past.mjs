// Preloaded into an agent: starts its wall clock in 1970, as on a board without a clock battery. Durations stay correct.
const offset = Date.now();
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 ? [RealDate.now() - offset] : args));
  }
  static now() {
    return RealDate.now() - offset;
  }
};
