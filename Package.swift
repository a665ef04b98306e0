// swift-tools-version: 6.2

import PackageDescription

/// Every target: Swift 6 language mode, a warning is an error, imports say whether they leak.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// The hot targets: one thread owns all their state, so run-time exclusivity checks only cost; debug builds and tests
/// keep them.
let hot: [SwiftSetting] =
    strict + [
        .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
    ]

/// The pure core: the compiler proves that it holds no unsafe code.
let pure: [SwiftSetting] =
    hot + [.strictMemorySafety(), .treatWarning("StrictMemorySafety", as: .error)]

let package = Package(
    name: "drover",
    products: [
        .executable(name: "drover", targets: ["drover"]),
        .executable(name: "drover-bench", targets: ["drover-bench"]),
        .library(name: "DroverClient", targets: ["DroverClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-numerics", from: "1.1.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    ],
    targets: [
        // C libraries, from Debian. hiredis has no pkgConfig: its .pc file carries a flag that SwiftPM refuses aloud.
        .systemLibrary(name: "CUV", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"])]),
        .systemLibrary(
            name: "CLibwebsockets", pkgConfig: "libwebsockets",
            providers: [.apt(["libwebsockets-dev", "libwebsockets-evlib-uv", "libcap-dev"])]),
        .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
        .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),

        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CZstandard", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
        .systemLibrary(name: "CQRCode", pkgConfig: "libqrencode", providers: [.apt(["libqrencode-dev"])]),

        .systemLibrary(name: "CProcessor"),

        // The pure core.
        .target(
            name: "Tracking", dependencies: [.product(name: "RealModule", package: "swift-numerics")],
            swiftSettings: pure),

        // Bridges: each owns one resource and hides its callbacks.
        .target(name: "EventLoop", dependencies: ["CUV"], swiftSettings: hot),
        .target(name: "Journal", dependencies: ["CProcessor"], swiftSettings: hot),
        .target(name: "PostgresClient", dependencies: ["CPostgres", "EventLoop"], swiftSettings: strict),
        .target(name: "RedisClient", dependencies: ["CHiredis", "EventLoop"], swiftSettings: hot),
        .target(name: "WebServer", dependencies: ["CLibwebsockets", "CUV", "EventLoop"], swiftSettings: hot),
        .target(name: "WebhookClient", dependencies: ["CCurl"], swiftSettings: strict),
        .target(name: "Zstandard", dependencies: ["CZstandard"], swiftSettings: strict),
        .target(name: "Sodium", dependencies: ["CSodium"], swiftSettings: strict),
        .target(name: "QRCode", dependencies: ["CQRCode"], swiftSettings: strict),

        // The one place where they meet.
        .target(
            name: "Gateway",
            dependencies: [
                "DroverClient", "EventLoop", "Journal", "LocalServers", "PostgresClient", "QRCode", "RedisClient",
                "Sodium", "Tracking", "WebServer", "WebhookClient", "Yams", "Zstandard",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
            ],
            resources: [.embedInCode("Pages"), .embedInCode("Schema"), .embedInCode("Documents")],
            swiftSettings: hot),
        .executableTarget(
            name: "drover",
            dependencies: [
                "DroverClient", "Gateway",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),

        // What talks to a gateway from outside, and what starts private servers for the demo and the tests.
        .target(
            name: "DroverClient",
            dependencies: ["EventLoop", "Zstandard", .product(name: "Histogram", package: "hdrhistogram-swift")],
            swiftSettings: hot),
        .target(name: "LocalServers", swiftSettings: strict),

        // The load harness: it starts what it measures, and the floors beside it.
        .systemLibrary(name: "CLinux", path: "bench/CLinux"),
        .executableTarget(
            name: "drover-bench",
            dependencies: [
                "CLinux", "DroverClient", "LocalServers", "Yams",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            path: "bench/Harness", swiftSettings: hot),

        .testTarget(name: "EventLoopTests", dependencies: ["EventLoop"], swiftSettings: strict),
        .testTarget(name: "WebServerTests", dependencies: ["EventLoop", "WebServer"], swiftSettings: strict),
        .testTarget(
            name: "WebhookClientTests", dependencies: ["LocalServers", "WebhookClient"], swiftSettings: strict),
        .testTarget(name: "SodiumTests", dependencies: ["Sodium"], swiftSettings: strict),
        .testTarget(
            name: "RedisTests", dependencies: ["EventLoop", "LocalServers", "RedisClient"], swiftSettings: strict),
        .testTarget(name: "TrackingTests", dependencies: ["Tracking"], swiftSettings: strict),
        .testTarget(name: "JournalTests", dependencies: ["Journal"], swiftSettings: strict),
        .testTarget(
            name: "HistoryTests",
            dependencies: [
                "DroverClient", "Gateway", "Journal", "LocalServers", "PostgresClient", "Tracking", "Zstandard",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ClientTests", dependencies: ["DroverClient", "EventLoop", "LocalServers", "Zstandard"],
            swiftSettings: strict),
        .testTarget(
            name: "BenchTests", dependencies: ["drover", "drover-bench", "DroverClient", "LocalServers"],
            swiftSettings: strict),
        .testTarget(
            name: "GatewayTests",
            dependencies: [
                "Gateway", "LocalServers", "RedisClient", "Tracking", "WebServer",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "drover", "DroverClient", "EventLoop", "LocalServers", "PostgresClient", "Sodium", "Zstandard",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            exclude: ["Systems/Schemas"], swiftSettings: strict),
        .testTarget(
            name: "PageTests", dependencies: ["drover", "DroverClient", "EventLoop", "LocalServers"],
            swiftSettings: strict),
    ]
)
