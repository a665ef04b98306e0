/// Values at the door: sentinels become unknown, everything else is rounded to the precision it is stored in.

/// Conversions of optional measurements (API.md, "Units"). Nil is "unknown".
public enum Unit {
    /// Metres a second. Negatives are CoreLocation's and Android's "unknown".
    @inline(__always)
    public static func speed(_ value: Double) -> Float? {
        let rounded = Float(value)
        return rounded >= 0 && rounded.isFinite ? rounded : nil
    }

    /// Degrees in [0, 360); exactly 360 is north, what lies outside is unknown.
    @inline(__always)
    public static func heading(_ value: Double) -> Float? {
        let rounded = Float(value)
        if rounded == 360 { return 0 }
        return rounded >= 0 && rounded < 360 ? rounded : nil
    }

    /// Metres. What no vehicle on Earth reaches is unknown.
    @inline(__always)
    public static func altitude(_ value: Double) -> Float? {
        let rounded = Float(value)
        return rounded >= -12_000 && rounded <= 100_000 ? rounded : nil
    }

    /// A charge in [0, 1]; -1 is iOS's "unknown".
    @inline(__always)
    public static func battery(_ value: Double) -> Float? {
        let rounded = Float(value)
        return rounded >= 0 && rounded <= 1 ? rounded : nil
    }
}
