/* The names that the SDK's linker would number; here they are looked up, some hundred instructions each. */
#define xsID_a xsID("a")
#define xsID_b xsID("b")
#define xsID_m xsID("m")
#define xsID_x xsID("x")
#define xsID_y xsID("y")
#define xsID_z xsID("z")
