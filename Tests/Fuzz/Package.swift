// swift-tools-version: 6.2

// Fuzzes the decoder of native pings with libFuzzer and compares it with Foundation's JSON parser on every input. A
// package of its own, since a fuzz target has no `main` and would break `swift build` of the whole. From the root:
//
//     swift build --package-path Tests/Fuzz --configuration release --sanitize=fuzzer --product FuzzPingDecoder
//     mkdir -p Tests/Fuzz/.build/found
//     SWIFT_BACKTRACE=enable=no Tests/Fuzz/.build/release/FuzzPingDecoder -max_total_time=120 -max_len=2048 \
//         -dict=Tests/Fuzz/json.dict -artifact_prefix=Tests/Fuzz/.build/ Tests/Fuzz/.build/found Tests/Fuzz/Corpus
//
// New inputs of interest go to the first folder named, never to Corpus. A crash says the difference on standard error
// and saves its input below .build; name that file instead of the folders to run it alone.

import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "drover-fuzz",
    products: [.executable(name: "FuzzPingDecoder", targets: ["FuzzPingDecoder"])],
    dependencies: [.package(url: "https://github.com/apple/swift-numerics", from: "1.1.0")],
    targets: [
        .target(
            name: "Tracking", dependencies: [.product(name: "RealModule", package: "swift-numerics")],
            swiftSettings: strict),
        .executableTarget(
            name: "FuzzPingDecoder", dependencies: ["Tracking"],
            swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])]),
    ]
)
