"""The turn loop: claims turns, asks models, carries out calls, and commits each step.

Everything a model is told comes out of one read of the pin. No transaction is open while a model
or a tool is at work, and nothing that was shown as done is lost in a crash.
"""
