fn main() { println!("herenow"); }
