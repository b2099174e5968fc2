/* Written by tools/fit_erf.py: erf(z) = z P(z^2)/Q(z^2) for |z| <= ERF_END, highest power first.
 * Largest absolute error in single precision: 3.5e-07. */
#define ERF_END 3.92f
static const float ERF_P[] = {2.034727004e-06f, 2.874795173e-04f, 3.868346801e-03f,
                              5.306053907e-02f, 1.927645653e-01f, 1.128378987e+00f};
static const float ERF_Q[] = {3.807056419e-05f, 1.188119291e-03f, 1.517233532e-02f,
                              1.150848195e-01f, 5.041648149e-01f, 1.000000000e+00f};
