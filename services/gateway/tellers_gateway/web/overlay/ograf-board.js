// The same graphic as tellers.js, which begins with the full picture.

import TellersGraphic from "./tellers.js";

export default class TellersBoard extends TellersGraphic {
  static layout = "full";
}
