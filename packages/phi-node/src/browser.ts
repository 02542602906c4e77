// Bundlers take this file for code of a browser. Its import cannot be resolved, so that the build fails and says why:
// what is in the other files would use the data key where every visitor could read it.
// @ts-expect-error There is no such file.
import "@eonpro/phi/must-not-be-in-code-for-browsers";
