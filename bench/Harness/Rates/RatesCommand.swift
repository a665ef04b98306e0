/// `drover-bench rates`: what it saves that devices report often only while somebody watches. Plays drives through the
/// gateway's own steps and compares with a ping a second: pings, bytes, and how far the map was off while it was watched.
import ArgumentParser
import DroverClient
import Glibc

/// Needs neither gateway nor stores: which ping is sent when is arithmetic.
struct Rates: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Play drives with devices that report as the gateway asks, beside a ping a second.")

    @Argument(help: "Drives as CSV or GPX; without, made-up vans.") var files: [String] = []
    @Option(help: "Made-up vans, and hours of each, where no files are given.") var vans = 20
    @Option(help: "Seconds that somebody watches at a time.") var watched = 300
    @Option(help: "Seconds that nobody does in between.") var unwatched = 1_500
    @Option(help: "rates.watched_ms.") var watchedMilliseconds = 3_000
    @Option(help: "rates.near_ms.") var nearMilliseconds = 1_000
    @Option(help: "rates.idle_ms.") var idleMilliseconds = 15_000
    @Option(help: "rates.near_m; the last place of a drive is its destination.") var nearMetres = 1_000.0

    func validate() throws {
        guard (1...1_000).contains(vans), watched > 0, unwatched >= 0, watchedMilliseconds >= 1_000,
            nearMilliseconds >= 1_000, idleMilliseconds >= 1_000
        else { throw ValidationError("vans 1 to 1000, watched above 0 s, steps from 1000 ms") }
    }

    func run() throws {
        let drives = files.isEmpty ? madeUp() : try files.map { try PingFile(path: $0).rows }
        var obeyed = RateFigures()
        var always = RateFigures()
        for drive in drives {
            let trace = RateTrace(drive, nearMetres: nearMetres)
            obeyed.add(
                trace.play(watched: watched, unwatched: unwatched) { isWatched, isNear in
                    isWatched ? (isNear ? nearMilliseconds : watchedMilliseconds) : idleMilliseconds
                })
            always.add(trace.play(watched: watched, unwatched: unwatched) { _, _ in 1_000 })
        }
        let header = ["\(drives.count) drives", "pings", "KiB", "of all", "off p50 m", "p95 m", "mean m"]
        print(
            ReportTables.table(
                header, [always.line("a ping a second", of: always), obeyed.line("as the gateway asks", of: always)]),
            terminator: "")
    }

    /// An hour of each van.
    private func madeUp() -> [[PingFile.Row]] {
        (0..<vans).map { number in
            var van = Van(latitude: 43.65, longitude: -79.38, radiusMetres: 5_000, seed: UInt64(number) + 1)
            return (0..<3_600).map { second in
                van.advance(seconds: 1)
                let report = van.report(at: Int64(second) * 1_000)
                return PingFile.Row(
                    driver: 0, time: report.recordedAt, latitude: report.latitude, longitude: report.longitude,
                    accuracy: report.accuracy, speed: report.speed, heading: report.heading)
            }
        }
    }
}
