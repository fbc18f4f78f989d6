export async function readBoard(_a: string, _b: number, _c: (t: string) => void): Promise<never> { throw new Error("x"); }
