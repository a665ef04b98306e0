/// Which ping is sent when and as whom: decided before the first connection.

/// All pings of a replay in the order of their sending.
struct ReplayPlan {
    struct Entry {
        let report: PingReport
        let driver: Int
        /// Milliseconds of recorded time since the replay's begin.
        let offset: Int64
    }

    private(set) var drivers: [String] = []
    private(set) var pings: [Entry] = []

    init(_ options: Replay.Options) throws(DroverClientError) {
        guard !options.files.isEmpty else { throw .badOption("nothing to replay: name at least one CSV or GPX file") }
        if case .times(let factor) = options.speed, !(factor > 0 && factor.isFinite) {
            throw .badOption("the speed must be above 0, or `max`")
        }
        if let driver = options.driver, !isDriverID(driver) {
            throw .badOption("`\(driver)` is not a driver's id of 1 to 64 characters A-Z a-z 0-9 _ . : -")
        }
        var files: [PingFile] = []
        for path in options.files { files.append(try PingFile(path: path)) }
        for file in files {
            if options.accuracy == nil, file.lacksAccuracy {
                throw .badOption("\(file.name) has pings without an accuracy: say which to assume by --accuracy METRES")
            }
            if options.start == .original, file.hasElapsedTimes {
                throw .badOption("\(file.name) has no times of its own: name a --start")
            }
            try add(file, isOnlyOne: files.count == 1, options)
        }
        if options.isDriverFromToken, drivers.count > 1 {
            throw .badOption("a device's token speaks for one driver, and the files hold \(drivers.count)")
        }
        // With times of their own, files keep their distance to each other.
        if options.start == .original, let first = pings.map(\.report.recordedAt).min() {
            pings = pings.map { Entry(report: $0.report, driver: $0.driver, offset: $0.report.recordedAt - first) }
        }
        pings = pings.enumerated().sorted { ($0.element.offset, $0.offset) < ($1.element.offset, $1.offset) }
            .map(\.element)
    }

    private mutating func add(
        _ file: PingFile, isOnlyOne: Bool, _ options: Replay.Options
    ) throws(DroverClientError) {
        let ids =
            if !file.drivers.isEmpty {
                file.drivers.map { id in options.driver.map { "\($0)-\(id)" } ?? id }
            } else if let driver = options.driver {
                [isOnlyOne ? driver : "\(driver)-\(file.name)"]
            } else {
                [file.name]
            }
        var numbers: [Int] = []
        for id in ids {
            guard isDriverID(id) else {
                throw .badOption("`\(id)` is not a driver's id of 1 to 64 characters: name one by --driver")
            }
            if let known = drivers.firstIndex(of: id) {
                numbers.append(known)
            } else {
                numbers.append(drivers.count)
                drivers.append(id)
            }
        }
        // Elapsed times count from the recording's begin; absolute ones are moved so that the first is at the start.
        let base = file.hasElapsedTimes ? 0 : file.rows[0].time
        pings.reserveCapacity(pings.count + file.rows.count)
        for row in file.rows {
            let offset = row.time - base
            let recordedAt =
                switch options.start {
                case .original: row.time
                case .at(let milliseconds): milliseconds + offset
                }
            var accuracy = row.accuracy ?? -1
            if accuracy < 0, let assumed = options.accuracy { accuracy = assumed }
            pings.append(
                Entry(
                    report: PingReport(
                        recordedAt: recordedAt, latitude: row.latitude, longitude: row.longitude, accuracy: accuracy,
                        speed: row.speed, heading: row.heading, altitude: row.altitude), driver: numbers[row.driver],
                    offset: offset))
        }
    }
}
