/// What the configuration says to the pure core: the judge's rules and the ages of presence; and to devices: how often to
/// report.
import Tracking

extension Configuration {
    /// The judge's rules with the configured limits.
    var judgeRules: JudgeRules {
        var rules = JudgeRules()
        rules.accuracy.below = Float(judgeAccuracyBelowMetres)
        rules.future.tolerance = Int64(judgeFutureToleranceSeconds) * 1_000_000
        rules.stale.retention = Int64(max(1, historyRetentionDays)) * 86_400_000_000
        rules.clamp.maximum = Float(judgeMaximumSpeed)
        rules.jump.maximumSpeed = judgeMaximumImpliedSpeed
        rules.zeroIsland.isEnabled = judgeRejectZeroIsland
        rules.mock.isForbidden = judgeRejectMock
        return rules
    }

    /// The ages at which presence changes.
    var presenceLimits: PresenceLimits {
        var limits = PresenceLimits()
        limits.stale = Int64(liveStaleSeconds) * 1_000_000
        limits.offline = Int64(liveOfflineSeconds) * 1_000_000
        return limits
    }

    /// How often devices are asked to report.
    var reportSteps: ReportSteps {
        ReportSteps(
            near: ratesNearMilliseconds, watched: ratesWatchedMilliseconds, idle: ratesIdleMilliseconds,
            nearMetres: ratesNearMetres)
    }
}
