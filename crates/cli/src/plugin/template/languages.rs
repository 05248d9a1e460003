//! Which templates there are. Of a language's the first is the one for beginners.

use super::{Contract, Template};

macro_rules! example {
    ($path:literal) => {
        include_str!(concat!("../../../../../examples/", $path))
    };
}

const RUST: &str = "Rust by rustup with the target wasm32-wasip2 (rustup target add wasm32-wasip2)";
const GO: &str = "Go 1.26 or newer, the stock toolchain (https://go.dev/dl)";
const ZIG: &str = "zig as the compiler (pip install ziglang==0.17.1)";

pub(super) const TEMPLATES: [Template; 10] = [
    Template {
        language: "rust",
        contract: Contract::Command,
        title: "Rust",
        needs: RUST,
        library: &[],
        files: &[
            ("Cargo.toml", example!("command-rust/Cargo.toml")),
            ("Cargo.lock", example!("command-rust/Cargo.lock")),
            ("src/main.rs", example!("command-rust/src/main.rs")),
            ("build", example!("command-rust/build")),
            (".gitignore", "/target\n/greeter.wasm\n"),
        ],
    },
    Template {
        language: "rust",
        contract: Contract::Component,
        title: "Rust",
        needs: RUST,
        library: &["rust", "wit"],
        files: &[
            ("Cargo.toml", example!("rust/Cargo.toml")),
            ("Cargo.lock", example!("rust/Cargo.lock")),
            ("src/lib.rs", example!("rust/src/lib.rs")),
            ("build", example!("rust/build")),
            (".gitignore", "/target\n/greeter.wasm\n"),
        ],
    },
    Template {
        language: "go",
        contract: Contract::Component,
        title: "Go",
        needs: GO,
        library: &["go"],
        files: &[
            ("go.mod", example!("go/go.mod")),
            ("greeter.go", example!("go/greeter.go")),
            ("build", example!("go/build")),
            (".gitignore", "/obj\n/greeter.wasm\n"),
        ],
    },
    Template {
        language: "go",
        contract: Contract::Command,
        title: "Go",
        needs: GO,
        library: &["go/go.mod", "go/command"],
        files: &[
            ("go.mod", example!("command-go/go.mod")),
            ("greeter.go", example!("command-go/greeter.go")),
            ("build", example!("command-go/build")),
            (".gitignore", "/greeter.wasm\n"),
        ],
    },
    Template {
        language: "typescript",
        contract: Contract::Component,
        title: "TypeScript",
        needs: "Node 20 or newer with npm (https://nodejs.org)",
        library: &["typescript", "wit"],
        files: &[
            ("package.json", example!("typescript/package.json")),
            ("package-lock.json", example!("typescript/package-lock.json")),
            ("tsconfig.json", example!("typescript/tsconfig.json")),
            ("src/greeter.ts", example!("typescript/src/greeter.ts")),
            ("build", example!("typescript/build")),
            (".gitignore", "node_modules\n/greeter.wasm\n"),
        ],
    },
    Template {
        language: "javascript",
        contract: Contract::Command,
        title: "JavaScript",
        needs: "Python 3 with pip, and zig (pip install ziglang==0.17.1)",
        library: &[],
        files: &[
            ("greeter.js", example!("command-javascript/greeter.js")),
            ("runtime.c", example!("command-javascript/runtime.c")),
            ("quickjs.txt", example!("command-javascript/quickjs.txt")),
            ("build", example!("command-javascript/build")),
            (".gitignore", "/obj\n/greeter.wasm\n"),
        ],
    },
    Template {
        language: "javascript",
        contract: Contract::Component,
        title: "JavaScript",
        needs: "Node 20 or newer with npm (https://nodejs.org)",
        library: &["typescript", "wit"],
        files: &[
            ("package.json", example!("javascript/package.json")),
            ("package-lock.json", example!("javascript/package-lock.json")),
            ("greeter.js", example!("javascript/greeter.js")),
            ("build", example!("javascript/build")),
            (".gitignore", "node_modules\n/greeter.wasm\n"),
        ],
    },
    Template {
        language: "python",
        contract: Contract::Component,
        title: "Python",
        needs: "Python 3.10 or newer with componentize-py (pip install -r requirements.txt)",
        library: &["python", "wit"],
        files: &[
            ("app.py", example!("python/greeter.py")),
            ("requirements.txt", example!("python/requirements.txt")),
            ("build", example!("python/build")),
            (".gitignore", "__pycache__\n/.venv\n/greeter.wasm\n"),
        ],
    },
    Template {
        language: "c",
        contract: Contract::Command,
        title: "C",
        needs: ZIG,
        library: &["c/json.c", "c/json.h"],
        files: &[
            ("greeter.c", example!("command-c/greeter.c")),
            ("build", example!("command-c/build")),
            (".gitignore", "/greeter.wasm\n"),
        ],
    },
    Template {
        language: "c",
        contract: Contract::Component,
        title: "C",
        needs: ZIG,
        library: &["c"],
        files: &[
            ("greeter.c", example!("c/greeter.c")),
            ("build", example!("c/build")),
            (".gitignore", "/obj\n/greeter.wasm\n"),
        ],
    },
];
