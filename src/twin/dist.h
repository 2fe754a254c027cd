/* dist - exact tails and quantiles of the usual laws: normal, beta, t, F, gamma, chi-squared.
 *
 * Relative error below 1e-9 also far out in a tail, for shapes up to 1e6; script/oracle_stats.py
 * compares with scipy. Pure. Arguments outside the law's domain (a shape or degrees of freedom not
 * above 0, a probability outside 0..1, NaN) give NaN. Infinite values are limits, not errors.
 *
 * Sources: I_x(a, b) by the continued fraction of DLMF 8.17.22, evaluated after Lentz (1976) on the
 * side of the mean where it converges quickly; P(a, x) by DLMF 8.11.4 and the fraction 8.9.2; the
 * normal quantile by Wichura (1988, AS 241), refined once by Halley's step. */
#pragma once

double dist_normal_cdf(double z); /* P(Z <= z) */
double dist_normal_quantile(double p);
double dist_normal_two_sided(double z); /* P(|Z| >= |z|) */

/* Regularised incomplete beta I_x(a, b) = P(B <= x), B ~ Beta(a, b). */
double dist_beta_cdf(double x, double a, double b);
double dist_beta_quantile(double p, double a, double b);

double dist_t_cdf(double t, double df);
double dist_t_two_sided(double t, double df); /* P(|T| >= |t|) = I_{df/(df+t^2)}(df/2, 1/2) */
double dist_t_quantile(double p, double df);

/* Upper tails: P(X >= x). */
double dist_gamma_tail(double x, double shape); /* scale 1 */
double dist_chi2_tail(double x, double df);
double dist_f_tail(double f, double df1, double df2);
