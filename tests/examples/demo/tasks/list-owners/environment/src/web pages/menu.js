// owner:   frontend
let x = 1;
