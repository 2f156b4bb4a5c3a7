package io.fovea.attention;

/** The names of parameters, where the authors' networks have others than their module. */
enum Names {
  /** Those of the file with the module alone. */
  MODULE,
  /** Those of the file with the networks, and so of trained weights. */
  NETWORKS;

  /** The option of a mechanism whose authors have two sets of names. */
  static Option<Names> option() {
    return Option.choice(
        "names",
        MODULE,
        "the parameter names of the authors' module, or of their trained networks");
  }

  /** The name in the module or in the networks. */
  String of(String inModule, String inNetworks) {
    return this == MODULE ? inModule : inNetworks;
  }
}
